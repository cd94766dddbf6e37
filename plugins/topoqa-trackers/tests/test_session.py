from __future__ import annotations

import os
from pathlib import Path

import pytest

from topoqa_trackers.follower import Session
from topoqa_train.errors import RequestError


def epochs(session: Session) -> list[float]:
    return [row["epoch"] for row in session.look().rows]


def test_only_epochs_that_are_counted_are_seen(run) -> None:
    session = Session(run.root)
    assert epochs(session) == [0, 1]
    run.change(progress={"epochs_done": 4})
    assert epochs(session) == [0, 1, 2, 3]
    run.change(progress={})
    assert epochs(session) == []
    assert not session.over


@pytest.mark.parametrize(
    ("written", "alive", "status"),
    [
        ("completed", True, "completed"),
        ("failed", True, "failed"),
        ("interrupted", True, "interrupted"),
        ("running", False, "interrupted"),
    ],
)
def test_a_session_is_over_with_its_run(run, written: str, alive: bool, status: str) -> None:
    pid = os.getpid() if alive else 2**22 + 1
    run.change(status=written, process={**run.process, "pid": pid})
    session = Session(run.root)
    assert (session.look().status, session.over) == (status, True)


def test_a_session_is_over_when_another_process_resumes_the_run(run) -> None:
    session = Session(run.root)
    run.change(process={**run.process, "started": 1.0})
    session.look()
    assert session.over
    assert session.resumed_elsewhere


def test_a_run_is_followed_into_history(run) -> None:
    session = Session(run.root)
    run.complete()
    moved = run.root.parent / "history" / "r"
    moved.parent.mkdir()
    run.root.rename(moved)
    assert len(session.look().rows) == 2
    assert session.run.paths.root == moved
    assert session.over


@pytest.mark.parametrize("damage", ["gone", "unreadable"])
def test_a_run_that_cannot_be_read_is_over_with_the_training_process(
    run, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(run.root)
    if damage == "gone":
        run.root.rename(run.root.parent.parent / "elsewhere")
    else:
        (run.root / "run_metadata.json").write_text("{")
    with pytest.raises(RequestError, match="r"):
        session.look()
    assert not session.over
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert session.over


def test_where_there_is_no_run_there_is_no_session(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is not a run"):
        Session(tmp_path)
