"""The follower on runs that are written by hand, with a store in memory that can fail.

What MLflow itself makes of it is tested on a real one: `test_mlflow_store.py`, and end to end.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.models import MLflowConfig
from topoqa_train.runs import status
from topoqa_train.runs.paths import RunPaths
from topoqa_train.tracking import record
from topoqa_train.tracking.entries import Entries, Measured
from topoqa_train.tracking.follower import NOT_INSTALLED, Follower, artifacts
from topoqa_train.tracking.run_watcher import Sitting
from topoqa_train.tracking.supervisor import TrackerTask
from topoqa_train.tracking.uri import TrackingPlace

DONE = {"status": "completed", "completed": "2026-01-31T13:00:00+00:00"}


@dataclass
class Kept:
    """A run in the store."""

    name: str
    entries: Entries = field(default_factory=Entries)
    status: str = "RUNNING"
    files: list[str] = field(default_factory=list)
    metrics: list[Measured] = field(default_factory=list)

    @property
    def steps(self) -> list[int]:
        return [metric.epoch for metric in self.metrics if metric.name == "val_loss"]


@dataclass
class Memory:
    """A store. `faults` are raised by the next calls, one each; None lets a call pass."""

    runs: dict[str, Kept] = field(default_factory=dict)
    faults: Iterator[Exception | None] = field(default_factory=lambda: iter(()))
    asked: list[tuple[TrackingPlace, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def connect(self, place: TrackingPlace, experiment: str) -> Memory:
        self._call("connect")
        self.asked.append((place, experiment))
        return self

    def create(self, name: str, began: int) -> str:
        self._call("create")
        run_id = f"id{len(self.runs)}"
        self.runs[run_id] = Kept(name)
        return run_id

    def entries(self, run_id: str) -> Entries | None:
        self._call("entries")
        if run_id not in self.runs:
            return None
        copy = Entries()
        copy.add(self.runs[run_id].entries)
        return copy

    def send(self, run_id: str, entries: Entries) -> None:
        run = self.runs[run_id]
        # The half of it that arrives when a connection breaks.
        run.entries.parameters |= entries.parameters
        self._call("send")
        run.entries.add(entries)
        run.metrics += entries.metrics.values()

    def go_on(self, run_id: str) -> None:
        self._call("go_on")
        self.runs[run_id].status = "RUNNING"

    def end(self, run_id: str, status: str, ended: int | None) -> None:
        self._call("end")
        self.runs[run_id].status = status

    def upload(self, run_id: str, file: Path, folder: str | None) -> None:
        self._call("upload")
        self.runs[run_id].files.append("/".join([*([folder] if folder else []), file.name]))

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if (fault := next(self.faults, None)) is not None:
            raise fault


class Bench:
    """A run, a store, and what happens to the run while its tracker pauses."""

    def __init__(self, run: Path, clock: Any, folder: Path) -> None:
        self.run = run
        self.clock = clock
        self.folder = folder
        self.store = Memory()
        self.pauses: list[float] = []
        self.events: list[Callable[[], None]] = []

    def follow(self, **config: Any) -> bool:
        task = TrackerTask(
            run_dir=self.run,
            folder=self.folder,
            config=MLflowConfig(enabled=True, **config),
            grace_seconds=30,
        )
        sitting = Sitting(RunPaths(self.run), self.clock)
        return Follower(sitting, task, self.store.connect, self._pause).follow()

    def change(self, **fields: Any) -> None:
        file = self.run / "run_metadata.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))

    @property
    def record(self) -> record.TrackingRecord:
        found = record.read(RunPaths(self.run).tracking)
        assert found is not None
        return found

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < 50, "it goes on for ever"
        if self.events:
            self.events.pop(0)()


@pytest.fixture
def bench(run_files: Callable[..., Path], clock: Any, tmp_path: Path) -> Bench:
    run = run_files(
        "r", status="running", process=status.this_process(), progress={"epochs_done": 2}
    )
    return Bench(run, clock, tmp_path)


def test_a_run_is_followed_to_its_end(bench: Bench) -> None:
    bench.events = [
        lambda: bench.change(progress={"epochs_done": 3}),
        lambda: None,
        lambda: bench.change(progress={"epochs_done": 4}, **DONE),
    ]
    assert bench.follow()
    (kept,) = bench.store.runs.values()
    assert (kept.name, kept.status, kept.steps) == ("r", "FINISHED", [0, 1, 2, 3])
    assert kept.entries.tags["status"] == "completed"
    assert kept.entries.tags["run_dir"] == str(bench.run)
    assert bench.pauses == [1.0] * 3
    assert bench.record.state == "done"
    assert (bench.record.epochs, bench.record.run_id, bench.record.problem) == (4, "id0", None)


def test_nothing_is_sent_while_nothing_is_new(bench: Bench) -> None:
    bench.events = [*[lambda: None] * 5, lambda: bench.change(**DONE)]
    assert bench.follow(log_artifacts=False)
    assert bench.store.calls == ["connect", "create", "send", "send", "end"]


def test_the_store_is_the_one_of_the_config(bench: Bench) -> None:
    bench.change(**DONE)
    assert bench.follow(tracking_uri="ml", experiment="e", run_name="mine")
    ((place, experiment),) = bench.store.asked
    assert (place.database, experiment) == (bench.folder / "ml" / "mlflow.db", "e")
    assert bench.store.runs["id0"].name == "mine"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        (DONE, "FINISHED"),
        ({"status": "failed"}, "FAILED"),
        ({"status": "interrupted"}, "KILLED"),
    ],
)
def test_the_end_of_a_run_is_marked(bench: Bench, fields: dict[str, Any], word: str) -> None:
    bench.change(**fields)
    assert bench.follow()
    assert bench.store.runs["id0"].status == word


def test_a_run_whose_process_died_is_marked_killed(bench: Bench) -> None:
    gone = {**status.this_process(), "pid": 2**22 + 1}
    bench.change(process=gone)
    assert bench.follow()
    assert bench.store.runs["id0"].status == "KILLED"
    assert bench.store.runs["id0"].entries.tags["status"] == "interrupted"


def test_a_run_that_another_process_took_up_is_left_to_the_tracker_of_that(bench: Bench) -> None:
    other = {**status.this_process(), "started": 1.0, "ticks": 1}
    bench.events = [lambda: bench.change(process=other)]
    assert bench.follow()
    assert bench.store.runs["id0"].status == "RUNNING"
    assert "end" not in bench.store.calls


def test_a_run_that_goes_on_goes_on_in_mlflow(bench: Bench) -> None:
    bench.change(status="interrupted")
    assert bench.follow()
    bench.change(progress={"epochs_done": 4}, **DONE)
    bench.folder = bench.folder / "elsewhere"
    assert bench.follow()
    (kept,) = bench.store.runs.values()
    assert (kept.status, kept.steps) == ("FINISHED", [0, 1, 2, 3])
    assert "go_on" in bench.store.calls
    assert len({place.uri for place, _ in bench.store.asked}) == 1


@pytest.mark.parametrize("change", [{"tracking_uri": "other"}, {"experiment": "other"}])
def test_tracked_elsewhere_it_begins_anew(bench: Bench, change: dict[str, str]) -> None:
    bench.change(**DONE)
    assert bench.follow()
    assert bench.follow(**change)
    assert [kept.steps for kept in bench.store.runs.values()] == [[0, 1], [0, 1]]


def test_a_run_that_mlflow_has_lost_is_sent_again(bench: Bench) -> None:
    bench.change(**DONE)
    assert bench.follow()
    bench.store.runs["other"] = bench.store.runs.pop("id0")
    assert bench.follow()
    assert bench.store.runs["id1"].steps == [0, 1]
    assert bench.record.run_id == "id1"


def test_a_copy_of_a_run_does_not_write_into_the_first_ones(bench: Bench) -> None:
    bench.change(**DONE)
    assert bench.follow()
    first = bench.run
    bench.run = Path(shutil.copytree(first, first.parent / "copy", symlinks=True))
    assert bench.follow()
    assert list(bench.store.runs) == ["id0", "id1"]
    assert bench.store.runs["id0"].entries.tags["run_dir"] == str(first)


def test_a_run_that_was_moved_is_the_same(bench: Bench) -> None:
    bench.change(**DONE)
    assert bench.follow()
    bench.run = bench.run.rename(bench.run.parent / "moved")
    assert bench.follow()
    assert list(bench.store.runs) == ["id0"]
    assert bench.store.runs["id0"].entries.tags["run_dir"] == str(bench.run)


def test_a_run_that_goes_back_goes_on_as_another(bench: Bench) -> None:
    table = bench.run / "metrics" / "metrics.csv"
    lines = table.read_text().splitlines(keepends=True)

    def back() -> None:
        bench.change(progress={"epochs_done": 2})
        table.write_text("".join([*lines[:2], lines[2].replace("2.5", "9.5")]))

    bench.events = [back, lambda: bench.change(**DONE)]
    assert bench.follow()
    first, second = bench.store.runs.values()
    assert (first.status, first.entries.tags["status"]) == ("KILLED", "superseded")
    assert (second.status, second.steps) == ("FINISHED", [0, 1])
    assert {m.value for m in second.metrics if m.name == "epoch_seconds"} == {2.5, 9.5}


def test_trouble_passes_and_nothing_is_sent_twice(bench: Bench) -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    noted: list[str | None] = []
    bench.store.faults = iter([refused, None, None, RuntimeError("odd"), refused])
    bench.events = [
        lambda: noted.append(bench.record.problem),
        lambda: noted.append(bench.record.problem),
        lambda: noted.append(bench.record.problem),
        lambda: bench.change(progress={"epochs_done": 4}),
        lambda: bench.change(**DONE),
    ]
    assert bench.follow(tracking_uri="http://me:word@host")
    assert noted == [
        "mlflow: http://host: Connection refused",
        "mlflow: http://host: odd",
        "mlflow: http://host: Connection refused",
    ]
    assert bench.record.problem is None
    assert bench.pauses[:3] == [2, 4, 5.0]
    (kept,) = bench.store.runs.values()
    assert sorted(kept.steps) == [0, 1, 2, 3]
    assert "word" not in RunPaths(bench.run).tracking.read_text()


def test_a_dead_store_is_given_up_once_the_run_is_over(bench: Bench) -> None:
    bench.store.faults = (TimeoutError("timed out") for _ in count())
    bench.events = [*[lambda: None] * 6, lambda: bench.change(**DONE)]
    assert not bench.follow()
    assert bench.pauses[-1] == 5.0, "after the run there is one more try"
    assert len(bench.pauses) == 7
    assert bench.record.state == "given up"
    assert (bench.record.problem or "").endswith("mlflow.db: no answer in time")


def test_a_run_that_is_over_at_once_is_tried_three_times(bench: Bench) -> None:
    bench.change(**DONE)
    bench.store.faults = iter([OSError(), OSError()])
    assert bench.follow()
    assert bench.pauses == [1.0, 1.0]


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (ModuleNotFoundError("No module named 'mlflow'", name="mlflow"), NOT_INSTALLED),
        (
            ModuleNotFoundError("No module named 'alembic'", name="alembic"),
            "mlflow: No module named 'alembic'; pip install \"topoqa-train[mlflow]\" brings what "
            "it needs",
        ),
    ],
)
def test_where_mlflow_is_missing_nothing_is_tried_twice(
    bench: Bench, error: Exception, problem: str
) -> None:
    bench.store.faults = iter([error])
    assert not bench.follow()
    assert bench.pauses == []
    assert (bench.record.state, bench.record.problem) == ("given up", problem)


def test_a_long_story_is_told_in_a_line(bench: Bench) -> None:
    bench.change(**DONE)
    bench.store.faults = (RuntimeError("x" * 1000 + "\nsecond line") for _ in count())
    assert not bench.follow()
    assert len(bench.record.problem or "") < 300
    assert "\n" not in (bench.record.problem or "")


def test_the_files_that_are_kept(bench: Bench) -> None:
    bench.change(**DONE)
    (bench.run / "config" / "config.yaml").write_text("{}")
    (bench.run / "dataset_coverage.json").write_text("{}")
    assert bench.follow()
    best = (bench.run / "model_checkpoints" / "best.ckpt").resolve().name
    assert bench.store.runs["id0"].files == [
        "run_metadata.json",
        "dataset_coverage.json",
        "config/config.yaml",
        "metrics/metrics.csv",
        f"model_checkpoints/{best}",
    ]
    # How it ended is known before the files, which may be large, are sent.
    assert bench.store.calls.index("end") < bench.store.calls.index("upload")


def test_without_artifacts_no_file_is_sent(bench: Bench) -> None:
    bench.change(**DONE)
    assert bench.follow(log_artifacts=False)
    assert bench.store.runs["id0"].files == []


def test_a_link_out_of_the_run_is_not_followed(bench: Bench, tmp_path: Path) -> None:
    best = bench.run / "model_checkpoints" / "best.ckpt"
    best.unlink()
    (tmp_path / "secret").write_text("x")
    best.symlink_to(tmp_path / "secret")
    assert not any(file.name == "secret" for file, _ in artifacts(RunPaths(bench.run)))
