from __future__ import annotations

import math
from typing import Any

import pytest

from topoqa_trackers import run_values
from topoqa_train import api

CREATED = 1769860800000  # 2026-01-31T12:00:00Z


@pytest.fixture
def read(run):
    def change_and_read(**fields: Any) -> api.RunSummary:
        run.change(**fields)
        return api.read_run(run.root)

    return change_and_read


def test_every_value_of_every_epoch_is_a_metric_with_a_time_that_does_not_change(run, read) -> None:
    run.write_rows(2)
    assert run_values.epoch_metrics(read()) == {
        ("val_loss", 0): (0.5, CREATED + 2500),
        ("epoch_seconds", 0): (2.5, CREATED + 2500),
        ("val_loss", 1): (0.4, CREATED + 5000),
        ("epoch_seconds", 1): (2.5, CREATED + 5000),
    }


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_not_a_metric(run, read, value: float) -> None:
    run.write_rows(1, odd=value)
    assert {name for name, _ in run_values.epoch_metrics(read())} == {"val_loss", "epoch_seconds"}


def test_the_test_split_counts_once_the_run_is_completed(run, read) -> None:
    fields = {"test": {"loss": 0.5, "none": None}, "completed": "2026-01-31T13:00:00+00:00"}
    found = run_values.split_metrics(read(status="completed", **fields))
    assert found == {("test_loss", 3): (0.5, CREATED + 3_600_000)}
    assert run_values.split_metrics(read(status="failed")) == {}
    run.write_rows(0)
    assert run_values.split_metrics(read(status="completed")) == {}


def test_parameters_are_flat_and_text(read) -> None:
    found = run_values.parameters(
        read(
            training_parameters={"learning_rate": 0.005, "scheduler": {"factor": 0.2}, "a": None},
            selection={"use_val_spearman": True},
            data={"name": "demo", "graphs": {"train": 3}, "labels": {"train": "/x"}},
            started_from={"run": "other", "epoch": 3},
        )
    )
    assert found == {
        "learning_rate": "0.005",
        "scheduler.factor": "0.2",
        "a": "null",
        "selection.use_val_spearman": "true",
        "data.name": "demo",
        "data.version": "null",
        "data.graphs.train": "3",
        "data.fingerprint": "null",
        "started_from.run": "other",
        "started_from.epoch": "3",
    }


def test_tags_have_the_origin_and_the_state_of_a_run(run, read) -> None:
    found = run_values.tags(
        read(
            status="failed",
            job="first",
            notes="a note",
            trial_label="t1",
            git={"commit": "abc", "dirty": True},
            command=["topoqa-train", "run"],
            host={"name": "here"},
            checkpoints={"ranking": [{"path": "model_checkpoints/x.chkpt", "epoch": 7}]},
            error={"message": "out of memory"},
        )
    )
    assert found == {
        "run_dir": str(run.root),
        "status": "failed",
        "run_name": "r",
        "job": "first",
        "trial_label": "t1",
        "notes": "a note",
        "git_commit": "abc",
        "git_dirty": "true",
        "command": "topoqa-train run",
        "host": "here",
        "started": "2026-01-31T12:00:00.000+00:00",
        "best_checkpoint": "model_checkpoints/x.chkpt",
        "best_epoch": "7",
        "error": "out of memory",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2026-01-31T13:00:00+01:00", CREATED), (None, 0), ("", 0), ("yesterday", 0)],
)
def test_a_time_that_is_none_is_0(text: str | None, expected: int) -> None:
    assert run_values.milliseconds(text) == expected
