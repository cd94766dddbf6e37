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
def said() -> list[str]:
    return []


@pytest.fixture
def plain(clock: Any, said: list[str], make_plan: MakePlan) -> PlainJobs:
    plain = PlainJobs(clock, said.append)
    plain.plan(make_plan({"sweep": ["a", "b"]}, epochs=40))
    plain.phase("sweep", ["a", "b"])
    said.clear()
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


@pytest.mark.parametrize("epochs", [10, 40, 260, 1001])
def test_a_line_at_the_start_at_each_tenth_and_at_the_end(
    plain: PlainJobs, said: list[str], clock: Any, epoch_ended: Ended, epochs: int
) -> None:
    train(plain, clock, epoch_ended, "a", epochs)
    assert said[0] == "a: starting"
    told = [int(line.split("epoch ")[1].split("/")[0]) for line in said[1:-1]]
    assert told == [-(-epochs * tenth // 10) for tenth in range(1, 11)]
    assert said[-1].startswith(f"a: done after {epochs} epochs, best -0.648 @ {epochs - 1}, ")


@pytest.mark.parametrize("epochs", [1, 2, 7])
def test_few_epochs_have_a_line_each(
    plain: PlainJobs, said: list[str], clock: Any, epoch_ended: Ended, epochs: int
) -> None:
    train(plain, clock, epoch_ended, "a", epochs)
    assert len(said) == epochs + 2


def test_a_line_per_tenth_has_epoch_best_and_time(
    plain: PlainJobs, said: list[str], clock: Any, epoch_ended: Ended
) -> None:
    train(plain, clock, epoch_ended, "a", 40)
    assert said[3] == "a: epoch 12/40  best -0.648 @ 11  val_loss 0.0541  rho 0.700  0:14 left"
    assert said[-1] == "a: done after 40 epochs, best -0.648 @ 39, 0:20"


def test_one_epoch_is_one_epoch(
    plain: PlainJobs, said: list[str], clock: Any, epoch_ended: Ended
) -> None:
    train(plain, clock, epoch_ended, "a", 1)
    assert said[-1].startswith("a: done after 1 epoch, ")


def test_lines_of_parallel_jobs_begin_with_their_names(
    plain: PlainJobs, said: list[str], epoch_ended: Ended
) -> None:
    for job in "ab":
        plain.event(RunCreated(job=job, run_dir="/r"))
    plain.event(epoch_ended("b", 4, of=40))
    plain.event(epoch_ended("a", 8, of=40))
    assert [line.split(":")[0] for line in said] == ["a", "b", "b", "a"]


FAILED = RunEnded(
    job="a",
    status="failed",
    error=MachineError("no space left", details=["/runs: 0 MiB free"], hint="Make room.").to_json(),
)


def test_why_it_failed_is_left_to_the_end_where_that_is_next(
    plain: PlainJobs, said: list[str]
) -> None:
    plain.event(RunCreated(job="a", run_dir="/r"))
    plain.event(FAILED)
    assert said == ["a: starting", "a: failed, 0:00"]


def test_but_shown_while_other_jobs_run(plain: PlainJobs, said: list[str]) -> None:
    for job in "ab":
        plain.event(RunCreated(job=job, run_dir="/r"))
    plain.event(FAILED)
    assert said[2:] == ["a: failed, 0:00", "a: no space left"]


def test_or_others_go_on_after_it(
    clock: Any, said: list[str], make_plan: Callable[..., Plan]
) -> None:
    plain = PlainJobs(clock, said.append)
    plain.plan(replace(make_plan({"batch": ["a", "b"]}), keep_going=True))
    plain.phase("batch", ["a", "b"])
    plain.event(FAILED)
    assert said[-1] == "a: no space left"


def test_a_log_has_all_of_it(clock: Any, said: list[str], make_plan: Callable[..., Plan]) -> None:
    log = PlainJobs(clock, said.append, whole=True)
    log.plan(make_plan({"batch": ["a"]}))
    log.phase("batch", ["a"])
    log.event(FAILED)
    assert said[-3:] == ["a: failed, 0:00", "a: no space left", "a:   /runs: 0 MiB free"]


def test_notes_notices_and_what_was_done_before(plain: PlainJobs, said: list[str]) -> None:
    plain.done_before("a", "a_2026")
    plain.event(Notice(job="b", text="epoch 0: rho undefined"))
    plain.event(Notice(job="data of a", text="2 rows left out"))
    plain.note("Picked a")
    assert said == [
        "a: done before, as a_2026",
        "b: epoch 0: rho undefined",
        "data of a: 2 rows left out",
        "Picked a",
    ]


def test_plan_and_phases(clock: Any, said: list[str], make_plan: MakePlan) -> None:
    plain = PlainJobs(clock, said.append)
    plain.plan(make_plan({"sweep": ["a", "b"]}))
    plain.phase("sweep", ["a", "b"])
    assert said == [
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
