from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.runs.store import RunStore
from topoqa_train.workflows import leaderboard


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
