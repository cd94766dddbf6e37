from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from topoqa_train.errors import MachineError
from topoqa_train.runs.events import (
    DataReady,
    EpochEnded,
    Notice,
    RunCreated,
    RunEnded,
    StepsDone,
)
from topoqa_train.ui.live import screen as job_screen
from topoqa_train.ui.live.plain import PlainJobs
from topoqa_train.views.progress import Plan

MakePlan = Callable[..., Plan]
Ended = Callable[..., EpochEnded]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def plain(clock: Any, lines: list[str], make_plan: MakePlan) -> PlainJobs:
    plain = PlainJobs(clock, lines.append)
    plain.plan(make_plan({"sweep": ["a", "b"]}, epochs=40))
    plain.phase("sweep", ["a", "b"])
    lines.clear()
    return plain


def train(plain: PlainJobs, clock: Any, epoch_ended: Ended, job: str, epochs: int) -> None:
    plain.event(RunCreated(job=job, run_dir=f"/runs/{job}"))
    plain.event(
        DataReady(job=job, graphs={"train": 4}, coverage={"train": 100.0}, node_dim=1, edge_dim=1)
    )
    for number in range(1, epochs + 1):
        clock.advance(0.5)
        plain.event(StepsDone(job=job, epoch=number, batches_done=1, batches=2))
        plain.event(epoch_ended(job, number, of=epochs))
    plain.event(RunEnded(job=job, status="completed", run_dir=f"/runs/{job}"))


@pytest.mark.parametrize("epochs", [1, 7, 10, 40, 1001])
def test_lines_at_the_start_each_tenth_and_the_end(
    plain: PlainJobs, lines: list[str], clock: Any, epoch_ended: Ended, epochs: int
) -> None:
    train(plain, clock, epoch_ended, "a", epochs)
    assert lines[0] == "a: starting"
    epochs_shown = [int(line.split("epoch ")[1].split("/")[0]) for line in lines[1:-1]]
    tenths = [-(-epochs * tenth // 10) for tenth in range(1, 11)]
    assert epochs_shown == (tenths if epochs >= 10 else list(range(1, epochs + 1)))
    words = "1 epoch" if epochs == 1 else f"{epochs} epochs"
    assert lines[-1].startswith(f"a: done after {words}, best -0.648 @ {epochs - 1}, ")


def test_a_line_per_tenth_has_epoch_best_and_time(
    plain: PlainJobs, lines: list[str], clock: Any, epoch_ended: Ended
) -> None:
    train(plain, clock, epoch_ended, "a", 40)
    assert lines[3] == "a: epoch 12/40  best -0.648 @ 11  val_loss 0.0541  rho 0.700  0:14 left"
    assert lines[-1] == "a: done after 40 epochs, best -0.648 @ 39, 0:20"


def test_lines_of_parallel_jobs_begin_with_their_names(
    plain: PlainJobs, lines: list[str], epoch_ended: Ended
) -> None:
    for job in "ab":
        plain.event(RunCreated(job=job, run_dir="/r"))
    plain.event(epoch_ended("b", 4, of=40))
    plain.event(epoch_ended("a", 8, of=40))
    assert [line.split(":")[0] for line in lines] == ["a", "b", "b", "a"]


FAILED = RunEnded(
    job="a",
    status="failed",
    error=MachineError("no space left", details=["/runs: 0 MiB free"], hint="Make room.").to_json(),
)


@pytest.mark.parametrize(
    ("running", "keep_going", "whole", "reason"),
    [
        ("a", False, False, []),
        ("ab", False, False, ["a: no space left"]),
        ("a", True, False, ["a: no space left"]),
        ("a", False, True, ["a: no space left", "a:   /runs: 0 MiB free"]),
    ],
    ids=["the command's error follows", "other jobs run", "other jobs follow", "log file"],
)
def test_the_reason_of_a_failure_is_written_unless_the_command_reports_it(
    clock: Any, lines: list[str], make_plan: MakePlan, running: str, keep_going: bool, whole: bool,
    reason: list[str],
) -> None:  # fmt: skip
    plain = PlainJobs(clock, lines.append, whole=whole)
    plain.plan(replace(make_plan({"sweep": ["a", "b"]}), keep_going=keep_going))
    for job in running:
        plain.event(RunCreated(job=job, run_dir="/r"))
    plain.event(FAILED)
    assert lines[lines.index("a: failed, 0:00") + 1 :] == reason


def test_notes_notices_and_earlier_jobs(plain: PlainJobs, lines: list[str]) -> None:
    plain.done_before("a", "a_2026")
    plain.event(Notice(job="b", text="epoch 0: rho undefined"))
    plain.event(Notice(job="data of a", text="2 rows rejected"))
    for job in "ab":
        plain.event(Notice(job=job, text="epoch 1: rho undefined"))
        plain.event(Notice(job=job, text="labels are left out", once=True))
    plain.note("Selected a")
    assert lines == [
        "a: done before, as a_2026",
        "b: epoch 0: rho undefined",
        "data of a: 2 rows rejected",
        "a: epoch 1: rho undefined",
        "a: labels are left out",
        "b: epoch 1: rho undefined",
        "Selected a",
    ]


def test_plan_and_phases(clock: Any, lines: list[str], make_plan: MakePlan) -> None:
    plain = PlainJobs(clock, lines.append)
    plain.plan(make_plan({"sweep": ["a", "b"]}))
    plain.phase("sweep", ["a", "b"])
    assert lines == [
        "run_core: 2 in sweep; 2 at once",
        "data: demo, 24 complexes, 384 graphs (256/64/64), coverage 100 %",
        "sweep: a, b",
    ]


def test_a_pipe_gets_lines_without_control_codes(
    capfd: pytest.CaptureFixture[str], clock: Any, make_plan: MakePlan, epoch_ended: Ended
) -> None:
    screen = job_screen.make(clock)
    assert isinstance(screen, PlainJobs)
    name = "large_batch_sched_boost_seed1337_" + "x" * 200
    with screen:
        screen.plan(make_plan({"sweep": [name]}))
        screen.phase("sweep", [name])
        train(screen, clock, epoch_ended, name, 20)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert not any(code in captured.err for code in ("\x1b", "\r", "\x08"))
    written = captured.err.splitlines()
    assert len(written) == 3 + 12
    assert all(line.startswith(f"{name}: ") for line in written[3:])
