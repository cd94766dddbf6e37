from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.models import MLflowConfig
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.status import Status
from topoqa_train.tracking.entries import (
    MAX_KEY,
    MAX_PARAMETER,
    MAX_TAG,
    Entries,
    Measured,
    contradicts,
    entries_of,
    final_status,
)

CREATED = 1769860800000  # 2026-01-31T12:00:00Z
ROWS = [
    {"epoch": 0.0, "step": 2.0, "val_loss": 0.5, "epoch_seconds": 2.5, "odd (%)": 1.0},
    {"epoch": 1.0, "step": 4.0, "val_loss": 0.25, "epoch_seconds": 1.5, "odd (%)": math.nan},
]


def document(**fields: Any) -> RunMetadata:
    return RunMetadata.model_validate(
        {"run_name": "run_1", "created": "2026-01-31T12:00:00.000+00:00", **fields}
    )


def entries(
    rows: list[dict[str, float]] | None = None,
    status: Status = Status.RUNNING,
    config: MLflowConfig | None = None,
    **fields: Any,
) -> Entries:
    return entries_of(
        document(**fields),
        ROWS if rows is None else rows,
        status,
        config or MLflowConfig(),
        Path("/runs/run_1"),
    )


def test_every_figure_of_every_epoch_is_a_metric_of_that_step() -> None:
    found = entries().metrics
    assert {at: metric.value for at, metric in found.items()} == {
        ("step", 0): 2.0,
        ("val_loss", 0): 0.5,
        ("epoch_seconds", 0): 2.5,
        ("odd ___", 0): 1.0,
        ("step", 1): 4.0,
        ("val_loss", 1): 0.25,
        ("epoch_seconds", 1): 1.5,
    }


def test_the_time_of_a_metric_is_the_same_whenever_it_is_asked_for() -> None:
    times = {metric.epoch: metric.milliseconds for metric in entries().metrics.values()}
    assert times == {0: CREATED + 2500, 1: CREATED + 4000}
    assert entries().metrics == entries().metrics


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_metric(value: float) -> None:
    rows = [{"epoch": 0.0, "val_loss": value, "epoch_seconds": value}]
    assert entries(rows).metrics == {}


def test_the_test_split_counts_once_the_run_is_completed() -> None:
    fields = {"test": {"loss": 0.5, "odd": None}, "completed": "2026-01-31T13:00:00+00:00"}
    done = entries(status=Status.COMPLETED, **fields).metrics
    assert done["test_loss", 1] == Measured("test_loss", 1, 0.5, CREATED + 3_600_000)
    assert ("test_odd", 1) not in done
    assert ("test_loss", 1) not in entries(status=Status.FAILED, **fields).metrics
    assert entries([], status=Status.COMPLETED, **fields).metrics == {}


def test_parameters_are_flat_and_text() -> None:
    found = entries(
        training_parameters={"learning_rate": 0.005, "scheduler": {"factor": 0.2}, "a b%": None},
        selection={"use_val_spearman": True},
        data={"name": "demo", "graphs": {"train": 3}, "labels": {"train": "/x"}},
        started_from={"run": "other", "epoch": 3},
    ).parameters
    assert found == {
        "learning_rate": "0.005",
        "scheduler.factor": "0.2",
        "a b_": "null",
        "selection.use_val_spearman": "true",
        "data.name": "demo",
        "data.version": "null",
        "data.graphs.train": "3",
        "data.fingerprint": "null",
        "started_from.run": "other",
        "started_from.epoch": "3",
    }


def test_tags_say_where_a_run_comes_from_and_how_it_stands() -> None:
    found = entries(
        status=Status.FAILED,
        job="first",
        notes="a note",
        trial_label="t1",
        git={"commit": "abc", "dirty": True},
        command=["topoqa-train", "run", "-o", "mlflow.tracking_uri=http://me:word@host"],
        host={"name": "here"},
        checkpoints={"ranking": [{"path": "model_checkpoints/x.chkpt", "epoch": 7}]},
        error={"message": "out of memory"},
    ).tags
    assert found == {
        "run_dir": "/runs/run_1",
        "status": "failed",
        "run_name": "run_1",
        "job": "first",
        "trial_label": "t1",
        "notes": "a note",
        "mlflow.note.content": "a note",
        "git_commit": "abc",
        "git_dirty": "true",
        "mlflow.source.git.commit": "abc",
        "mlflow.source.name": "topoqa-train run -o mlflow.tracking_uri=http://host",
        "host": "here",
        "started": "2026-01-31T12:00:00.000+00:00",
        "best_checkpoint": "model_checkpoints/x.chkpt",
        "best_epoch": "7",
        "error": "out of memory",
    }


def test_the_tags_of_the_config_are_the_stronger_and_any_name_will_do() -> None:
    config = MLflowConfig(tags={"job": "mine", "größe/../x": 3, "": True, "a" * 300: "b" * 9000})
    found = entries(config=config, job="first", notes="n" * 9000).tags
    assert found["job"] == "mine"
    assert found["gr__e/x"] == "3"
    assert found["_"] == "true"
    assert len(found["a" * MAX_KEY]) == len(found["notes"]) == MAX_TAG
    many = entries(training_parameters={"options": ["x" * 9000]}).parameters
    assert len(many["options"]) == MAX_PARAMETER


def test_only_what_is_lacking_is_sent() -> None:
    there, wanted = entries(ROWS[:1]), entries(ROWS)
    assert not there.lacking(there)
    news = there.lacking(wanted)
    assert {epoch for _, epoch in news.metrics} == {1}
    assert not news.parameters
    assert not news.tags
    there.add(news)
    assert there == wanted


def test_a_parameter_that_changed_goes_into_a_tag() -> None:
    there = entries(training_parameters={"num_epochs": 4})
    news = there.lacking(entries(training_parameters={"num_epochs": 6, "new": 1}))
    assert (news.parameters, news.tags) == ({"new": "1"}, {"now.num_epochs": "6"})
    there.add(news)
    back = there.lacking(entries(training_parameters={"num_epochs": 4, "new": 1}))
    assert back.tags == {"now.num_epochs": "4"}


def test_the_error_of_an_earlier_sitting_does_not_stay() -> None:
    there = entries(error={"message": "interrupted"})
    news = there.lacking(entries())
    assert news.tags == {"error": ""}
    there.add(news)
    assert not there.lacking(entries())


@pytest.mark.parametrize(
    ("rows", "otherwise"),
    [
        (ROWS, False),
        ([*ROWS, {**ROWS[1], "epoch": 2.0}], False),
        (ROWS[:1], True),
        ([], True),
        ([ROWS[0], {**ROWS[1], "val_loss": 0.26}], True),
        ([ROWS[0], {**ROWS[1], "val_loss": math.nan}], True),
        ([ROWS[0], {**ROWS[1], "val_loss": 0.25 * (1 + 1e-12)}], False),
    ],
)
def test_a_run_that_went_back_is_known_by_its_figures(
    rows: list[dict[str, float]], otherwise: bool
) -> None:
    there = entries()
    there.metrics["test_loss", 1] = Measured("test_loss", 1, 0.5, 0)
    there.metrics["mine", 9] = Measured("mine", 9, 0.5, 0)
    assert contradicts(there, rows) is otherwise


def test_nothing_sent_contradicts_nothing() -> None:
    assert not contradicts(Entries(), [])
    assert not contradicts(Entries(), ROWS)


def test_the_words_of_mlflow_for_an_end() -> None:
    ends = (Status.COMPLETED, Status.FAILED, Status.INTERRUPTED)
    assert [final_status(end) for end in ends] == ["FINISHED", "FAILED", "KILLED"]
