from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.commands.common import arguments, session, show
from topoqa_train.errors import DataError, RequestError, TrainingError
from topoqa_train.launch import base
from topoqa_train.runs import leaderboard, summary
from topoqa_train.runs.events import Notice
from topoqa_train.runs.paths import RunPaths
from topoqa_train.views.progress import JobOutcome


@pytest.mark.parametrize(
    ("text", "value"),
    [(None, None), ("1", 1), ("12", 12), ("1.0", 1.0), ("0.5", 0.5), (".25", 0.25)],
)
def test_batches_are_a_number_or_a_share(text: str | None, value: float | None) -> None:
    assert repr(arguments.batch_limit(text, "--limit-train-batches")) == repr(value)


@pytest.mark.parametrize("text", ["0", "-3", "0.0", "1.5", "-0.5", "many", "", "nan", "1e3"])
def test_anything_else_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        arguments.batch_limit(text, "--limit-val-batches")
    assert caught.value.message.startswith(f"--limit-val-batches: '{text}'")


def test_the_environment_may_choose_the_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(base.VARIABLE, raising=False)
    assert arguments.launcher_name() == "children"
    monkeypatch.setenv(base.VARIABLE, "in-process")
    assert arguments.launcher_name() == "in-process"


class Screen:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def note(self, text: str) -> None:
        self.shown.append(text)

    def event(self, event: Any) -> None:
        self.shown.append(event.text)


def test_a_log_that_can_t_be_written_ends_nothing_and_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(errno.EIO, "Input/output error", "x")

    screen: Any = Screen()
    both = session.logged(tmp_path, "batch_x", screen)
    with monkeypatch.context() as broken:
        broken.setattr(os, "open", fail)
        both.note("one")
        both.note("two")
    both.note("three")
    (log,) = tmp_path.glob("batch_x_*.log")
    warning = f"lines are missing in {log.name}: x: Input/output error"
    assert screen.shown == ["one", warning, "two", "three"]
    assert log.read_text().endswith(" three\n")


def test_what_a_screen_shows_is_logged_with_the_time(tmp_path: Path) -> None:
    screen: Any = Screen()
    both = session.logged(tmp_path / "runs", "full_pipeline_x", screen)
    (log,) = (tmp_path / "runs").glob("full_pipeline_x_*.log")
    both.note("Selected [a]")
    both.event(Notice(job="j", text="undefined"))
    assert screen.shown == ["Selected [a]", "undefined"]
    lines = log.read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["Selected [a]", "j: undefined"]
    assert all(line.startswith("20") for line in lines)


def test_a_board_is_a_table_notes_and_the_winner(
    run_files: Any, clock: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_files.root.parent)
    runs = [summary.read(RunPaths(run_files(name)), clock) for name in ("a", "b")]
    show.board(leaderboard.rank(runs, notes=["c can't be read"]), limit=1)
    out, err = capsys.readouterr()
    assert err == "c can't be read\n"
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0].split()[:2] == ["run", "selection"]
    assert lines[1].split()[:2] == ["1", "a"]
    assert lines[2] == "Winner: runs/a/model_checkpoints/best.ckpt"
    assert lines[3:] == [
        "Next:   topoqa-train monitor --run-id a --run-root runs",
        "        topoqa-train leaderboard --run-root runs",
    ]


class TestFailures:
    def test_one_is_reported_as_it_is_and_ends_with_1(self) -> None:
        session.raise_failures(())  # none is no error
        one = DataError("a: no graphs", details=["x.pt"], hint="Build them.")
        with pytest.raises(TrainingError) as caught:
            session.raise_failures([one], "Or so.")
        assert (caught.value.message, caught.value.details) == ("a: no graphs", ("x.pt",))
        assert (caught.value.hint, caught.value.exit_status) == ("Build them.\nOr so.", 1)

    def test_several_are_reported_with_their_details_and_each_hint_once(self) -> None:
        two = [
            TrainingError("a: NaN", details=["epoch 3"], hint="Lower it."),
            TrainingError("b: NaN", hint="Lower it."),
        ]
        with pytest.raises(TrainingError) as caught:
            session.raise_failures(two)
        assert caught.value.message == "2 jobs failed"
        assert caught.value.details == ("a: NaN", "  epoch 3", "b: NaN")
        assert caught.value.hint == "Lower it."


def test_outcomes_are_a_table_notes_and_the_winner(
    run_files: Any, clock: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run_files.root.parent)
    monkeypatch.setenv("COLUMNS", "40")
    run = run_files("a")
    outcomes = [
        JobOutcome("a", "done", run, "val_loss", 0.05, 1, 10.0),
        JobOutcome("b", "not started"),
    ]
    ranked = leaderboard.rank([summary.read(RunPaths(run), clock)], notes=["c can't be read"])
    show.outcomes(outcomes, ranked)
    out, err = capsys.readouterr()
    assert err == "c can't be read\n"
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["job", "a", "runs/a"]
    assert lines[3].split()[:3] == ["b", "not", "started"]
    # However narrow, a path is never cut.
    assert "Winner: runs/a/model_checkpoints/best.ckpt" in lines
