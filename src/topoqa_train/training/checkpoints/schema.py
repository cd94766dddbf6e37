"""What must stand in a checkpoint of ours, so that a run can go on from it without a second look.

A checkpoint may come from a stranger, or from another version of this program. It is checked when
it is read, before anything of a run is touched: a training that stumbles over it later would have
cut the metrics and deleted checkpoints by then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from torch import Tensor

from topoqa_train.errors import RequestError
from topoqa_train.runs.ranking import KEPT

MOST_EPOCHS = 10**6
_NAMED = 4

Epochs = Annotated[int, Field(ge=0, le=MOST_EPOCHS)]
Count = Annotated[int, Field(ge=0, lt=2**62)]
Width = Annotated[int, Field(ge=1, lt=2**31)]
# A name in the run's own folder of checkpoints, and none that is a link there.
File = Annotated[str, Field(pattern=r"^checkpoint\.[A-Za-z0-9._+-]{1,200}\.chkpt$")]
MetricName = Literal["val_loss", "selection_metric"]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", arbitrary_types_allowed=True)


class _Ranked(_Part):
    file: File
    epoch: Epochs
    val_loss: float
    selection_metric: float
    val_spearman_corr: float


class _Ranking(_Part):
    metric: MetricName
    best: Annotated[list[_Ranked], Field(max_length=KEPT)]
    other: _Ranked | None


class _Progress(_Part):
    epochs_done: Epochs
    global_step: Count
    ranking: _Ranking
    stopping_best: float | None
    stopping_wait: Epochs
    seconds: Annotated[float, Field(allow_inf_nan=False)]


class _Network(_Part):
    architecture: str
    options: dict[str, JsonValue]
    node_dim: Width
    edge_dim: Width


class _Weights(_Part):
    """What a training that starts from the weights alone needs."""

    state_dict: dict[str, Tensor]
    hyper_parameters: _Network


class _Row(_Part):
    """Of one epoch; its other figures are numbers under names of their own."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, float]

    epoch: Annotated[float, Field(ge=0, le=MOST_EPOCHS, allow_inf_nan=False)]


class _Whole(_Weights):
    optimizer_states: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1)]
    lr_schedulers: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1)]
    random_states: dict[str, Any]
    progress: _Progress
    # Checkpoints of before have none.
    history: list[_Row] = []


def check_weights(document: dict[str, Any], path: Path) -> None:
    """Raise `RequestError` unless weights and their network stand in it as we write them."""
    _check(_Weights, document, path)


def check_whole(document: dict[str, Any], path: Path) -> None:
    """Raise `RequestError` unless all stands in it that going on needs."""
    _check(_Whole, document, path)


def _check(model: type[_Part], document: dict[str, Any], path: Path) -> None:
    try:
        model.model_validate(document)
    except ValidationError as error:
        places = [".".join(map(str, fault["loc"]))[:80] for fault in error.errors()]
        raise RequestError(
            f"{path} is no checkpoint to go on from: parts of it are missing or not what they were",
            details=[*places[:_NAMED], *(["..."] if len(places) > _NAMED else [])],
            hint="Take another checkpoint of its run.",
        ) from None
