from __future__ import annotations

import math
from typing import Any

import pytest

from topoqa_train.provenance import metrics_diff

ROWS = [
    {"epoch": 0.0, "step": 2.0, "val_loss": 0.5, "rho": math.nan, "epoch_seconds": 1.0},
    {"epoch": 1.0, "step": 4.0, "val_loss": 0.25, "rho": 0.5, "epoch_seconds": 1.0},
    {"epoch": 2.0, "step": 6.0, "val_loss": 0.125, "rho": 0.75, "epoch_seconds": 1.0},
]


def changed(epoch: int, **metrics: float) -> list[dict[str, float]]:
    return [{**row, **(metrics if row["epoch"] == epoch else {})} for row in ROWS]


def equal(epochs: int, then: int, now: int) -> dict[str, Any]:
    known = {"epochs": epochs, "epochs_then": then, "epochs_now": now}
    return {**known, "first_difference": None, "columns": {}}


def test_the_same_is_the_same_whatever_time_it_took() -> None:
    assert metrics_diff.compare(ROWS, changed(1, epoch_seconds=9.0)) == equal(3, 3, 3)


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_the_first_epoch_that_differs_is_named_with_its_metrics(epoch: int) -> None:
    last_bit = math.nextafter(ROWS[epoch]["val_loss"], 1.0)
    found = metrics_diff.compare(ROWS, changed(epoch, val_loss=last_bit))
    assert (found["epochs"], found["first_difference"]) == (3, epoch)
    assert found["columns"] == {"val_loss": [ROWS[epoch]["val_loss"], last_bit]}
    assert (
        metrics_diff.compare(changed(epoch, val_loss=last_bit), ROWS)["first_difference"] == epoch
    )


@pytest.mark.parametrize(("then", "now"), [(math.nan, 0.0), (0.0, -0.0), (math.inf, 1.0)])
def test_what_equality_does_not_see(then: float, now: float) -> None:
    one, other = changed(1, rho=then), changed(1, rho=now)
    assert metrics_diff.compare(one, other)["first_difference"] == 1
    assert metrics_diff.compare(one, one)["first_difference"] is None


def test_only_epochs_and_columns_of_both_are_compared() -> None:
    longer = [*ROWS, {**ROWS[2], "epoch": 3.0}]
    assert metrics_diff.compare(ROWS[1:], longer) == equal(2, 2, 4)
    with_more = [{**row, "new": 1.0} for row in ROWS]
    assert metrics_diff.compare(ROWS, with_more)["first_difference"] is None
    assert metrics_diff.compare([], ROWS) == equal(0, 0, 3)
