from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from topoqa_train.errors import RequestError
from topoqa_train.runs.summary import Candidate
from topoqa_train.views import json_models
from topoqa_train.views.json_models import LearningRate


def test_a_row_keeps_all_its_columns_and_has_null_for_what_is_no_number() -> None:
    row = {"epoch": 3.0, "step": 8.0, "val_loss": math.nan, "val_top1_high": math.inf, "odd": 0.1}
    written = json.loads(json_models.to_json(json_models.epoch_metrics(row), indent=None))
    assert written["epoch"] == 3
    assert isinstance(written["epoch"], int)
    assert isinstance(written["step"], int)
    assert (written["val_loss"], written["val_top1_high"], written["odd"]) == (None, None, 0.1)
    assert written["learning_rate"] is None


def test_a_row_without_steps() -> None:
    assert json_models.epoch_metrics({"epoch": 0.0, "step": math.nan}).step is None
    assert json_models.epoch_metrics({"epoch": 0.0}).step is None


def test_numbers_are_exact() -> None:
    value = 0.1 + 0.2
    written = json_models.to_json(
        json_models.epoch_metrics({"epoch": 0.0, "a": value}), indent=None
    )
    assert json.loads(written)["a"] == value


def test_a_checkpoint_has_the_metrics_of_its_epoch() -> None:
    file = Path("/runs/r/model_checkpoints/x.chkpt")
    row = {"epoch": 3.0, "step": 8.0, "val_loss": 0.5}
    shown = json_models.checkpoint(Candidate(file, file, 3, row, ("best.ckpt",)), "x.chkpt")
    assert (shown.path, shown.links, shown.epoch) == ("x.chkpt", ["best.ckpt"], 3)
    assert shown.metrics.val_loss == 0.5
    assert "epoch" not in shown.metrics.model_dump()


def test_a_name_that_is_no_utf_8_is_shown_all_the_same() -> None:
    file = Path("/runs/r/caf\udce9.chkpt")
    shown = json_models.checkpoint(Candidate(file, file, None, {}, ()), str(file))
    assert json.loads(json_models.to_json(shown, indent=None))["path"] == "/runs/r/caf?.chkpt"


@pytest.mark.parametrize("indent", [None, 2])
def test_json_is_ascii_and_one_line_where_it_is_asked_for(indent: int | None) -> None:
    class Part(BaseModel):
        name: str = "é"
        deep: dict[str, Any] = {"a": [1]}

    written = json_models.to_json(Part(), indent=indent)
    assert written.isascii()
    assert (len(written.splitlines()) == 1) == (indent is None)
    assert json.loads(written) == {"name": "é", "deep": {"a": [1]}}


def test_what_is_nested_too_deeply_is_refused_in_words() -> None:
    class Part(BaseModel):
        deep: dict[str, Any]

    deep: dict[str, Any] = {}
    for _ in range(2000):
        deep = {"a": deep}
    with pytest.raises(RequestError, match="nested too deeply"):
        json_models.to_json(Part.model_construct(deep=deep), indent=None)


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(ValueError, match="colour"):
        LearningRate.model_validate({"value": 0.1, "colour": 1})
