from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from topoqa_train.errors import TrainingError
from topoqa_train.runs import events
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

EPOCH = EpochEnded(
    job="j",
    epoch=1,
    num_epochs=260,
    seconds=0.44,
    metrics={"val_loss": 1 / 3, "val_spearman_corr": -0.1},
    ranking_metric="selection_metric",
    best_value=None,
    best_epoch=None,
)
EVERY: list[Event] = [
    Begun(job="j"),
    RunCreated(job="j", run_dir="/runs/j_2026"),
    GraphsRead(job="j", graphs_read=10, graphs=64),
    DataReady(
        job="j",
        graphs={"train": 256, "val": 64},
        coverage={"train": 100.0, "val": 95.3125},
        node_dim=172,
        edge_dim=11,
    ),
    StepsDone(job="j", epoch=3, batches_done=4, batches=16),
    EPOCH,
    Notice(job="j", text="zwei\nZeilen, 'quoted' \"twice\" \u2028 \x1b[0m"),
    RunEnded(job="j", status="completed", run_dir="/runs/j"),
    RunEnded(job="j", status="failed", error=TrainingError("no", hint="Less.").to_json()),
]


@pytest.mark.parametrize("event", EVERY, ids=lambda event: event.kind)
def test_an_event_is_one_line_and_reads_back_equal(event: Event) -> None:
    line = events.to_line(event)
    assert "\n" not in line
    assert len(line.encode().splitlines()) == 1
    assert events.from_line(line) == event
    assert events.from_line(line.encode() + b"\n") == event


def test_every_kind_is_tested() -> None:
    assert {type(event) for event in EVERY} == set(get_args(Event))


@given(value=st.floats(), best=st.one_of(st.none(), st.floats()))
def test_numbers_are_exact(value: float, best: float | None) -> None:
    changes = {"metrics": {"val_loss": value}, "best_value": best}
    back = events.from_line(events.to_line(EPOCH.model_copy(update=changes)))
    assert isinstance(back, EpochEnded)
    assert repr(back.metrics["val_loss"]) == repr(value)
    assert repr(back.best_value) == repr(best)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Epoch 3: loss 0.5",
        b"{}",
        b'{"kind": "surprise", "job": "j"}',
        b'{"kind": "created", "job": "j"}',
        b'{"kind": "created", "job": "j", "run_d',
        b"\xff",
    ],
)
def test_other_lines_are_refused(line: bytes) -> None:
    with pytest.raises(ValidationError):
        events.from_line(line)
