"""The options of a run that are not part of its config.

Each is declared here once. The manifest's entries inherit the fields, and command line, job,
worker and run_metadata.json carry the model as a whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from topoqa_train.config.models import Section

# Options that change what is logged about a run, but not its numbers.
NEUTRAL = frozenset({"log_lr", "notes", "trial_label"})
# Options with a key of their own in run_metadata.json; weights are there as `started_from`.
_RECORDED_ELSEWHERE = {"notes", "trial_label", "weights_from"}


def _batch_limit(value: Any) -> Any:  # noqa: ANN401
    if (type(value) is int and value >= 1) or (type(value) is float and 0 < value <= 1):
        return value
    raise PydanticCustomError(
        "batch_limit", "should be a number of batches (1, 2, ...) or a share (0.1, ... 1.0)"
    )


BatchLimit = Annotated[
    int | float,
    BeforeValidator(_batch_limit),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            ]
        }
    ),
]
Flag = Annotated[bool, WithJsonSchema({"type": ["boolean", "null"]})]
Remark = Annotated[str | None, Field(description="kept in run_metadata.json")]


class CommonOptions(Section):
    """Options that a manifest writes in the same form as a run keeps them."""

    notes: Remark = None
    trial_label: Remark = None
    fast_dev_run: Flag = Field(default=False, description="one batch, one epoch")
    limit_train_batches: BatchLimit | None = Field(
        default=None, description="batches an epoch: a number, or a share such as 0.1"
    )
    limit_val_batches: BatchLimit | None = Field(
        default=None, description="validation batches: a number, or a share such as 0.5"
    )
    log_lr: Flag = Field(default=False, description="the learning rate in the log, each epoch")

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        # `fast_dev_run:` without a value means "as in shared", as it does for the other options.
        if not isinstance(values, dict):
            return values
        flags = ("fast_dev_run", "log_lr")
        return {key: each for key, each in values.items() if each is not None or key not in flags}

    def over(self, base: CommonOptions, **more: Any) -> RunOptions:  # noqa: ANN401
        """Return `base` with what is set here on top, and the fields `more` on top of both."""
        return RunOptions(**{**_set_in(base), **_set_in(self), **more})


class RunOptions(CommonOptions):
    """All options of a run.

    `weights_from` is the checkpoint whose weights the run starts from (`resume_from` in a
    manifest). `trainer_args` are passed to `lightning.Trainer`.
    """

    trainer_args: dict[str, Any] = Field(default_factory=dict)
    weights_from: Path | None = None

    @classmethod
    def given(cls, **values: Any) -> Self:  # noqa: ANN401 - the fields of the model
        """Build from a command line, where a false or empty value means "not given"."""
        return cls(**{name: value for name, value in values.items() if value})

    @property
    def train_batches(self) -> int | float | None:
        """Limit of training batches an epoch; `fast_dev_run` means one."""
        return 1 if self.fast_dev_run else self.limit_train_batches

    @property
    def val_batches(self) -> int | float | None:
        """Limit of validation batches; `fast_dev_run` means one."""
        return 1 if self.fast_dev_run else self.limit_val_batches

    def recorded(self) -> dict[str, Any]:
        """Return what run_metadata.json keeps of them among the training parameters."""
        return self.model_dump(mode="json", exclude=_RECORDED_ELSEWHERE)


def _set_in(options: CommonOptions) -> dict[str, Any]:
    """Return the options that were set, without those set to nothing."""
    return {
        name: value
        for name, value in options
        if name in RunOptions.model_fields
        and name in options.model_fields_set
        and value is not None
    }
