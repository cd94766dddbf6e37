from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import Measured, write_legacy_run

from topoqa_train.errors import RequestError
from topoqa_train.inspection import leaderboard
from topoqa_train.runs.store import RunStore


def test_all_runs_are_ranked_history_included(run_files: Any, epoch: Any, clock: Any) -> None:
    run_files("new", [epoch(0.2)])
    run_files("old", [epoch(0.1)], folder="history")
    run_files("dead", [epoch(0.3)], status="failed")
    built = leaderboard.build(RunStore(run_files.root), clock)
    assert [entry.run.paths.run_id for entry in built.entries] == ["old", "new", "dead"]
    turned = leaderboard.build(RunStore(run_files.root), clock, metric="val_loss", reverse=True)
    assert turned.metric == "val_loss"
    assert turned.entries[0].run.paths.run_id == "dead"


def test_a_run_that_can_t_be_read_is_a_note(run_files: Any, clock: Any) -> None:
    run_files("good")
    (run_files("bad") / "run_metadata.json").write_text("{")
    built = leaderboard.build(RunStore(run_files.root), clock)
    assert len(built.entries) == 1
    assert "bad" in built.notes[0]


def test_no_runs_at_all_says_how_to_start_one(tmp_path: Path, clock: Any) -> None:
    with pytest.raises(RequestError) as caught:
        leaderboard.build(RunStore(tmp_path / "no"), clock)
    assert str(tmp_path / "no") in caught.value.message
    assert "--run-root" in (caught.value.hint or "")


def test_a_run_instead_of_a_folder_of_runs(run_files: Any, clock: Any) -> None:
    run = run_files("one")
    with pytest.raises(RequestError, match="is a run, not a folder of runs") as caught:
        leaderboard.build(RunStore(run), clock)
    assert str(run.parent) in (caught.value.hint or "")


def test_reading_many_is_shown(run_files: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        run_files(name)
    (run_files("d") / "run_metadata.json").write_text("{")
    shown: list[Any] = []

    @contextmanager
    def progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        shown.append((description, total))
        yield shown.append

    store = RunStore(run_files.root)
    leaderboard.build(store, clock, progress=progress)
    assert shown == []
    monkeypatch.setattr(leaderboard, "MANY", 4)
    assert len(leaderboard.build(store, clock, progress=progress).entries) == 3
    assert shown == [("reading runs", 4), 1, 1, 1, 1]


def test_runs_of_the_previous_pipeline_are_ranked_too(
    run_files: Any, epoch: Any, clock: Any
) -> None:
    run_files("ours", [epoch(0.1, 0.5)])
    write_legacy_run(run_files.root, "theirs", [Measured(0.2, 0.9), Measured(0.3, 0.1)])
    write_legacy_run(run_files.root / "history", "old", [Measured(0.2, 0.2)], document="")
    built = leaderboard.build(RunStore(run_files.root), clock)
    assert built.metric == "val_loss"
    assert [entry.run.paths.run_id for entry in built.entries] == ["ours", "old", "theirs"]
    assert [entry.rank for entry in built.entries] == [1, 2, 2]
