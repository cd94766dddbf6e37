from __future__ import annotations

import io
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from topoqa_train.errors import MachineError
from topoqa_train.runs.events import (
    DataReady,
    EpochEnded,
    Notice,
    RunCreated,
    RunEnded,
)
from topoqa_train.ui.live import screen as job_screen
from topoqa_train.ui.live.screen import JobsScreen
from topoqa_train.views.progress import Plan

MakePlan = Callable[..., Plan]
Ended = Callable[..., EpochEnded]
Lines = Callable[..., list[str]]
Screen = Callable[[int], JobsScreen]
Planned = Callable[..., JobsScreen]
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONG = "large_batch_sched_boost_lr035_seed1337_2026-01-31_12-00-00"
STATES = ("waiting", "starting", "loading", "training", "done", "done before", "failed", "stopped")


def terminal(width: int) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, height=50, color_system="truecolor"
    )


def written(screen: JobsScreen) -> str:
    assert isinstance(screen.target.file, io.StringIO)
    return screen.target.file.getvalue()


def take_to(screen: JobsScreen, job: str, state: str, epoch_ended: Ended, of: int) -> None:
    if state in ("waiting", "starting"):
        screen.views[job].state = "starting" if state == "starting" else "waiting"
        return
    if state == "done before":
        screen.done_before(job, "run_of_before")
        return
    screen.event(RunCreated(job=job, run_dir="/r"))
    if state == "loading":
        return
    screen.event(
        DataReady(job=job, graphs={"train": 4}, coverage={"train": 100.0}, node_dim=1, edge_dim=1)
    )
    screen.event(epoch_ended(job, of - 1, of=of, seconds=40_000.0))
    ends = {"done": "completed", "failed": "failed", "stopped": "interrupted"}
    if state in ends:
        screen.event(RunEnded.model_validate({"job": job, "status": ends[state]}))


@pytest.fixture
def screen(clock: Any) -> Screen:
    return lambda width: JobsScreen(terminal(width), clock)


@pytest.fixture
def planned(screen: Screen, make_plan: MakePlan) -> Planned:
    """A screen with a plan, not started: what is drawn here is drawn once, by the test."""

    def _planned(width: int, phases: dict[str, list[str]], **options: int) -> JobsScreen:
        shown = screen(width)
        super(JobsScreen, shown).plan(make_plan(phases, **options))
        return shown

    return _planned


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("epochs", [3, 260, 10_000])
def test_one_line_per_job_with_the_end_of_its_name(
    planned: Planned, epoch_ended: Ended, lines: Lines, clock: Any, width: int, epochs: int
) -> None:
    names = [f"{LONG}_phase2_seed{number}" for number in range(len(STATES))]
    shown = planned(width, {"phase 2": names}, epochs=epochs)
    for name, state in zip(names, STATES, strict=True):
        take_to(shown, name, state, epoch_ended, epochs)
    clock.advance(40_000.0)
    drawn = lines(shown._render(), width)
    for name, state in zip(names, STATES, strict=True):
        (line,) = [each for each in drawn if f"{name[-20 if width >= 80 else -7 :]} " in each]
        if state == "training":
            assert f" {epochs - 1}/{epochs} " in line
            assert f"-0.648 @ {epochs - 2}" in line
            assert "11:06:40" in line
        else:
            assert f" {state}" in line
        if state in ("done", "failed", "stopped"):
            assert f"-0.648 @ {epochs - 2}" in line
    assert sum("phase 2" in line for line in drawn) == 1
    assert "elapsed" in drawn[-1]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_short_name_is_not_cut(planned: Planned, lines: Lines, width: int) -> None:
    shown = planned(width, {"sweep": ["large_batch_sched_boost_seed222"]})
    assert "large_batch_sched_boost_seed222 " in lines(shown._table(), width)[0]


@pytest.mark.parametrize("width", [80, 200])
def test_lines_do_not_move_as_metrics_arrive(
    planned: Planned, epoch_ended: Ended, lines: Lines, width: int
) -> None:
    shown = planned(width, {"sweep": ["a", "b"]})
    shown.event(epoch_ended("b", 7))
    before = lines(shown._table(), width)[1]
    for number in (1, 12, 141):
        shown.event(epoch_ended("a", number, seconds=200.0))
        assert lines(shown._table(), width)[1] == before
    shown.event(RunEnded(job="a", status="completed"))
    assert lines(shown._table(), width)[1] == before


def test_a_wide_terminal_shows_losses_and_rank_correlation(
    planned: Planned, epoch_ended: Ended, lines: Lines
) -> None:
    shown = planned(200, {"sweep": ["a"]})
    shown.event(epoch_ended("a", 141, seconds=0.5))
    (line,) = [each for each in lines(shown._table(), 200) if "141/260" in each]
    for part in ("━━━", "-0.648 @ 140", "val 0.0541", "rho 0.70", "1:00 left"):
        assert part in line


def test_the_footer_shows_elapsed_and_remaining_time(
    planned: Planned, epoch_ended: Ended, clock: Any
) -> None:
    shown = planned(80, {"sweep": ["a"]}, at_once=1)
    clock.advance(299)
    assert shown._footer().plain == "4:59 elapsed"
    shown.event(epoch_ended("a", 100, of=260, seconds=2.25))
    assert shown._footer().plain == "4:59 elapsed, at most about 6 min left"


@pytest.mark.parametrize("width", [80, 200])
def test_a_live_terminal_is_not_overfilled_and_restored(
    screen: Screen, make_plan: MakePlan, epoch_ended: Ended, width: int
) -> None:
    shown = screen(width)
    with shown:
        shown.plan(make_plan({"sweep": [LONG], "phase 1": ["BASE_finetune_phase1"]}))
        shown.phase("sweep", [LONG])
        shown.event(RunCreated(job=LONG, run_dir="/r"))
        shown.event(Notice(job=LONG, text="[red]" + "a long story, " * 30))
        shown.note("Picked [/bold] it")
        for number in range(1, 4):
            shown.event(epoch_ended(LONG, number))
            shown._live.refresh()
        shown.event(RunEnded(job=LONG, status="completed"))
    raw = written(shown)
    assert raw.count("\x1b[?25l") == raw.count("\x1b[?25h") == 1
    plain = CONTROL.sub("", raw)
    for line in plain.replace("\r", "\n").splitlines():
        assert cell_len(line) <= width
    assert "[red]a long story" in plain
    assert "Picked [/bold] it" in plain
    assert plain.rstrip().splitlines()[-1].strip().endswith("left")
    assert "done, 3 epochs" in plain if width >= 100 else "done" in plain


def test_the_terminal_is_restored_after_an_error(screen: Screen, make_plan: MakePlan) -> None:
    shown = screen(80)

    def fail() -> None:
        with shown:
            shown.plan(make_plan({"sweep": ["a"]}))
            shown.phase("sweep", ["a"])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert written(shown).rstrip("\n").endswith("\x1b[?25h")


def test_the_display_starts_with_the_first_job(screen: Screen, make_plan: MakePlan) -> None:
    shown = screen(80)
    with shown:
        shown.plan(make_plan({}))
        assert not shown._live.is_started
        shown.phase("check", ["graphs of demo"])  # not planned
        assert shown._live.is_started
    assert "graphs of demo" in written(shown)


def test_a_failure_is_shown_while_other_jobs_continue(screen: Screen, make_plan: MakePlan) -> None:
    shown = screen(80)
    error = MachineError("no space left").to_json()
    with shown:
        shown.plan(make_plan({"sweep": ["a", "b"]}))
        shown.phase("sweep", ["a", "b"])
        shown.event(RunCreated(job="b", run_dir="/r"))
        shown.event(RunEnded(job="a", status="failed", error=error))
        shown.event(RunEnded(job="b", status="failed", error=MachineError("last").to_json()))
    plain = CONTROL.sub("", written(shown))
    assert "a failed: no space left" in plain
    assert "b failed: last" not in plain  # the command's own error says it next


@pytest.mark.parametrize("height", [8, 12, 24])
def test_more_jobs_than_lines_are_folded(
    planned: Planned, epoch_ended: Ended, lines: Lines, height: int
) -> None:
    names = [f"job_{number:02d}" for number in range(40)]
    shown = planned(80, {"sweep": names[:30], "phase 2": names[30:]})
    shown.target = Console(file=io.StringIO(), force_terminal=True, width=80, height=height)
    for name in names[:20]:
        shown.event(epoch_ended(name, 5))
        shown.event(RunEnded(job=name, status="completed"))
    for name in names[20:22]:
        shown.event(epoch_ended(name, 7))
    drawn = lines(shown._render(), 80)
    assert len(drawn) < height
    text = "\n".join(drawn)
    for name in names[20:22]:
        assert name in text
    assert " done " in text
    assert "…" in text
    assert " wait" in text
    assert "-0.648 @ 4" in next(line for line in drawn if "…" in line)


def test_events_and_drawing_in_different_threads(planned: Planned, epoch_ended: Ended) -> None:
    shown = planned(80, {"sweep": [str(n) for n in range(20)]})
    errors: list[BaseException] = []
    over = threading.Event()

    def draw() -> None:
        try:
            while not over.is_set():
                shown.target.print(shown._render())
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    thread = threading.Thread(target=draw)
    thread.start()
    for round_ in range(30):
        shown.phase("sweep", [f"{round_}_{n}" for n in range(20)])
        shown.event(epoch_ended(f"{round_}_3", 1))
    over.set()
    thread.join()
    assert errors == []


def test_standard_error_decides(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(job_screen.make(clock), JobsScreen)
    monkeypatch.setenv("TERM", "dumb")
    assert not isinstance(job_screen.make(clock), JobsScreen)
