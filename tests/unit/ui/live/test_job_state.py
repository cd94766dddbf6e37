from __future__ import annotations

from collections.abc import Callable

import pytest

from topoqa_train.runs.events import (
    Begun,
    DataReady,
    EpochEnded,
    Event,
    GraphsRead,
    Notice,
    RunCreated,
    RunEnded,
    StepsDone,
)
from topoqa_train.ui.live.job_state import JobView

Ended = Callable[..., EpochEnded]
CREATED = RunCreated(job="j", run_dir="/runs/j")
READY = DataReady(job="j", graphs={"train": 4}, coverage={"train": 100.0}, node_dim=1, edge_dim=1)


def after(*events: Event, epochs: int = 10) -> JobView:
    view = JobView("j", "sweep", epochs)
    for now, event in enumerate(events):
        view.apply(event, 100.0 + now)
    return view


def test_states_follow_the_events(epoch_ended: Ended) -> None:
    reading = GraphsRead(job="j", graphs_read=16, graphs=64)
    events: list[Event] = [Begun(job="j"), CREATED, reading, READY]
    events += [StepsDone(job="j", epoch=1, batches_done=1, batches=4), epoch_ended("j", 1, of=10)]
    events += [RunEnded(job="j", status="completed", run_dir="/runs/j")]
    states = [after(*events[:count]).state for count in range(len(events) + 1)]
    assert states == [
        *("waiting", "starting", "loading", "loading", "training"),
        *("training", "training", "done"),
    ]
    assert after(*events[:3]).loaded == 0.25


@pytest.mark.parametrize(
    ("status", "state"),
    [("completed", "done"), ("failed", "failed"), ("interrupted", "stopped")],
)
def test_every_end_is_final_and_keeps_the_directory(status: str, state: str) -> None:
    view = after(CREATED, RunEnded.model_validate({"job": "j", "status": status}))
    assert (view.state, view.finished, view.running) == (state, True, False)
    assert view.run_dir == "/runs/j"


def test_the_fraction_counts_epochs_and_batches(epoch_ended: Ended) -> None:
    assert after().fraction == 0.0
    half = StepsDone(job="j", epoch=3, batches_done=2, batches=4)
    assert after(epoch_ended("j", 2, of=10), half).fraction == pytest.approx(0.25)
    assert after(epoch_ended("j", 10, of=10)).fraction == 1.0
    assert after(epochs=0).fraction == 0.0
    assert after(half, epoch_ended("j", 3, of=10)).fraction == 0.3


def test_time_left_is_the_mean_of_the_last_epochs(epoch_ended: Ended) -> None:
    assert after(CREATED).seconds_left is None
    slow = [epoch_ended("j", number, of=40, seconds=100.0) for number in range(1, 6)]
    fast = [epoch_ended("j", number, of=40, seconds=2.0) for number in range(6, 21)]
    assert after(*slow).seconds_left == pytest.approx(35 * 100.0)
    assert after(*slow, *fast).seconds_left == pytest.approx(20 * 2.0)


def test_elapsed_time_stops_at_the_end() -> None:
    assert after().elapsed(500.0) == 0.0
    assert after(CREATED).elapsed(107.0) == 7.0
    assert after(CREATED, RunEnded(job="j", status="failed")).elapsed(900.0) == 1.0


def test_a_notice_changes_no_state() -> None:
    view = after(CREATED, Notice(job="j", text="x"))
    assert view.state == "loading"
