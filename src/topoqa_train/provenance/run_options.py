"""What a run's metadata say that it was trained with, beside its config, checked."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from topoqa_train.errors import RequestError
from topoqa_train.runs.summary import RunSummary


class Options(BaseModel):
    """What the command line or a manifest added to a config."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    fast_dev_run: bool = False
    limit_train_batches: int | float | None = None
    limit_val_batches: int | float | None = None
    log_lr: bool = False
    trainer_args: dict[str, Any] = Field(default_factory=dict)


def options(run: RunSummary) -> Options:
    """Those of a run; raises `RequestError` where its metadata hold something else there."""
    said = run.metadata.training_parameters
    given = {name: said[name] for name in Options.model_fields if said.get(name) is not None}
    try:
        return Options.model_validate(given)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in ("training_parameters", *fault["loc"]))
        raise RequestError(
            f"{run.paths.metadata} does not say how the run was trained: {key}: {fault['msg']}"
        ) from error
