from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import metadata, training, write_legacy_run

from topoqa_train.clock import SystemClock
from topoqa_train.errors import RequestError
from topoqa_train.plugins import discovery
from topoqa_train.runs import leaderboard, readers, summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore, is_run

SMALL = """
    from topoqa_train.api import RunContents

    class Reader:
        def recognises(self, folder, metadata):
            return (folder / "theirs.txt").exists()

        def glance(self, folder, metadata):
            return RunContents(
                "a run of another program",
                {"run_name": "x", "created": "2025-11-03T09:15:02+00:00", "status": "completed",
                 "notes": ["of", "another", "shape"]},
            )

        read = glance
"""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    readers.installed.cache_clear()
    yield
    readers.installed.cache_clear()


@pytest.fixture
def without_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    discover = discovery.discover
    monkeypatch.setattr(
        discovery,
        "discover",
        lambda group: {} if group == discovery.RUN_READERS else discover(group),
    )


@pytest.fixture
def install(install_plugin: Callable[..., Path]) -> Callable[[str], Path]:
    """Install a reader with this source as the plugin `small`."""

    def _install(source: str) -> Path:
        return install_plugin(
            "small", discovery.RUN_READERS, {"a_small": "a_small:Reader"}, {"a_small": source}
        )

    return _install


@pytest.fixture
def theirs(run_files: Any) -> Path:
    run: Path = run_files.root / "theirs"
    run.mkdir()
    (run / "theirs.txt").touch()
    return run


def read(run: Path) -> summary.RunSummary:
    return summary.read(RunPaths(run), SystemClock())


def test_a_plugin_reads_its_runs(install: Any, theirs: Path) -> None:
    install(SMALL)
    assert is_run(theirs)
    found = read(theirs)
    assert (found.kind, found.read_only) == ("a run of another program", True)
    assert (found.status, found.rows, found.parameters) == (Status.COMPLETED, [], {})
    assert found.metadata.notes is None
    assert (found.metadata.model_extra or {})["as_written"] == {"notes": ["of", "another", "shape"]}


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ("raise ValueError('at import')", "at import"),
        ("class Reader:\n        def __init__(self): 1 / 0", "ZeroDivisionError"),
        (
            "class Reader:\n        def recognises(self, *_): 1 / 0",
            "ZeroDivisionError",
        ),
    ],
)
def test_one_that_fails_is_named_once_and_skipped(
    install: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str, error: str
) -> None:
    install(f"\n    {broken}\n")
    run = write_legacy_run(tmp_path, history=training(3))
    assert len(read(run).rows) == 3
    assert len(read(run).rows) == 3
    (line,) = [record.getMessage() for record in caplog.records]
    assert "'a_small' of small" in line
    assert error in line


def test_one_that_fails_at_a_run_is_named_and_spares_the_others(
    install: Any, run_files: Any, theirs: Path
) -> None:
    install(SMALL.replace("return RunContents(", "1 / 0\n            return RunContents("))
    ours = run_files("ours")
    good, bad = summary.read_all([RunPaths(theirs), RunPaths(ours)], SystemClock())
    assert [run.paths.run_id for run in good] == ["ours"]
    assert "'a_small' of small" in bad[0]


@pytest.mark.usefixtures("without_readers")
def test_without_a_plugin_the_run_is_refused_with_its_name(tmp_path: Path) -> None:
    for name, document in (("with_metadata", None), ("without", "")):
        run = write_legacy_run(tmp_path, name, training(3), document=document)
        with pytest.raises(RequestError, match="is not a run of topoqa-train") as caught:
            read(run)
        assert str(run) in caught.value.message
        assert "topoqa-legacy" in str(caught.value.hint)


@pytest.mark.parametrize("metrics", [True, False])
def test_own_runs_are_read_without_asking_a_plugin(
    install: Any, run_files: Any, metrics: bool
) -> None:
    folder = install("raise SystemExit")
    run = run_files("ours", process={"pid": 1})
    assert not read(run).read_only if metrics else not is_run(folder / "missing")
    assert readers.installed.cache_info().misses == 0


def test_own_runs_and_others_are_found_together(run_files: Any, tmp_path: Path) -> None:
    run_files("ours")
    root = tmp_path / "runs"
    write_legacy_run(root, "theirs", training(3))
    write_legacy_run(root, "no_metadata", training(3), document="")
    write_legacy_run(root / "history", "old", training(3), document="")
    (root / "a_folder" / "model_checkpoints").mkdir(parents=True)
    (root / "tables" / "metrics").mkdir(parents=True)
    (root / "tables" / "metrics" / "metrics.csv").write_text("epoch\n")
    store = RunStore(root)
    assert [run.run_id for run in store.all()] == ["no_metadata", "old", "ours", "theirs"]
    assert [run.run_id for run in store.here()] == ["no_metadata", "ours", "theirs"]
    assert store.find("no_metadata").root == root / "no_metadata"


def test_the_leaderboard_says_what_can_t_be_compared(run_files: Any, tmp_path: Path) -> None:
    ours = read(run_files("ours", data={"fingerprint": "one"}))
    theirs = read(write_legacy_run(tmp_path, "theirs", training(3)))
    ranked = leaderboard.rank([ours, theirs])
    assert ranked.metric == "selection_metric"
    assert ranked.notes == ("The data set of these runs is not recorded: theirs",)
    document = metadata("other", selection=None)
    other = read(write_legacy_run(tmp_path, "other", training(3), document=document))
    ranked = leaderboard.rank([ours, theirs, other])
    assert ranked.metric == "val_loss"
    assert "selection settings" in ranked.notes[0]


def test_a_damaged_own_run_is_no_other_program_s(run_files: Any) -> None:
    run = run_files("ours")
    (run / "run_metadata.json").write_text("{")
    with pytest.raises(RequestError, match=r"run_metadata\.json can't be read"):
        read(run)
    (run / "run_metadata.json").write_text(json.dumps({"process": {}, "created": 7}))
    with pytest.raises(RequestError, match=r"run_metadata\.json can't be read"):
        read(run)
