"""What a checkpoint of this program must contain for a run to resume from it.

A checkpoint may come from a third party or from another version. It is checked before anything of
a run is changed: a training that failed later would have cut the metrics and deleted checkpoints.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    ValidationError,
    field_validator,
)
from torch import Tensor

from topoqa_train.errors import RequestError
from topoqa_train.runs.ranking import KEPT, SELECTION, VAL_LOSS, Ranking

_SHOWN = 4
# A name in the run's own folder, which is not one of the links there.
_FILE = re.compile(r"checkpoint\.[A-Za-z0-9._+-]{1,200}\.chkpt")

Count = Annotated[int, Field(ge=0, lt=2**62)]
Width = Annotated[int, Field(ge=1, lt=2**31)]
OneState = Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1)]


class _Network(BaseModel):
    architecture: str
    options: dict[str, JsonValue]
    node_dim: Width
    edge_dim: Width


class Weights(BaseModel):
    """The parts that a training needs that starts from the weights alone."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    state_dict: dict[str, Tensor]
    hyper_parameters: _Network


class _Progress(BaseModel):
    epochs_done: Count
    global_step: Count
    ranking: Ranking
    stopping_best: float | None
    stopping_wait: Count
    seconds: FiniteFloat

    @field_validator("ranking")
    @classmethod
    def _check_ranking(cls, ranking: Ranking) -> Ranking:
        if ranking.metric not in (VAL_LOSS, SELECTION) or len(ranking.best) > KEPT:
            raise ValueError("not a ranking")
        if not all(_FILE.fullmatch(name) for name in ranking.files()):
            raise ValueError("not the name of a checkpoint")
        return ranking


class Whole(Weights):
    """All that resuming needs; `restore.rehearse` tries the states themselves."""

    optimizer_states: OneState
    lr_schedulers: OneState
    random_states: dict[str, Any]
    progress: _Progress
    # Older checkpoints have none.
    history: list[dict[str, float]] = []


def check(model: type[Weights], document: dict[str, Any], path: Path) -> None:
    """Raise `RequestError` unless the checkpoint `document`, read from `path`, is a `model`."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        places = [".".join(map(str, each["loc"]))[:80] for each in error.errors()]
        raise RequestError(
            f"can't resume from {path}: parts of it are missing or invalid",
            details=[*places[:_SHOWN], *(["..."] if len(places) > _SHOWN else [])],
            hint="Take another checkpoint of its run.",
        ) from None
