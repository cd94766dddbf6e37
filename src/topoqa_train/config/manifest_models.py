"""What may stand in a manifest, one model a part."""

from __future__ import annotations

from typing import Annotated, Any, Literal, LiteralString

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from topoqa_train.config.models import Options, Section, Seed, Text
from topoqa_train.config.names import fault_of_name
from topoqa_train.config.values import described


def _said(kind: LiteralString, text: str) -> PydanticCustomError:
    return PydanticCustomError(kind, "{text}", {"text": text})


def _plain_name(name: str) -> str:
    fault = fault_of_name(name)
    if fault is not None:
        raise _said("name", fault)
    return name


def _batch_limit(value: Any) -> Any:  # noqa: ANN401
    if (type(value) is int and value >= 1) or (type(value) is float and 0 < value <= 1):
        return value
    raise _said(
        "batch_limit",
        f"{described(value)} is neither a number of batches (1, 2, ...) nor a share (0.1, ... 1.0)",
    )


def _no_seed_twice(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise _said("seeds", "a seed stands there twice")
    return seeds


def _list(value: Any) -> Any:  # noqa: ANN401
    """An empty list for a key with nothing after it."""
    return [] if value is None else value


PlainName = Annotated[str, AfterValidator(_plain_name)]
BatchLimit = Annotated[int | float, BeforeValidator(_batch_limit)]
Texts = Annotated[list[Text], BeforeValidator(_list)]
Seeds = Annotated[
    tuple[Seed, ...], Field(min_length=1, strict=False), AfterValidator(_no_seed_twice)
]


class SharedEntry(Section):
    """What holds for every job, and for the fine-tune jobs too."""

    config: Text | None = None
    overrides: Options = Field(default_factory=dict)
    notes: str | None = None
    trial_label: str | None = None
    output_root: Text | None = None
    fast_dev_run: bool = False
    limit_train_batches: BatchLimit | None = None
    limit_val_batches: BatchLimit | None = None
    log_lr: bool = False
    trainer_args: Texts = Field(default_factory=list)


class JobEntry(Section):
    """One job; what it leaves out is taken from `shared`."""

    name: PlainName
    config: Text | None = None
    overrides: Options = Field(default_factory=dict)
    run_name: PlainName | None = None
    resume_from: Text | None = None
    notes: str | None = None
    trial_label: str | None = None
    fast_dev_run: bool | None = None
    limit_train_batches: BatchLimit | None = None
    limit_val_batches: BatchLimit | None = None
    trainer_args: Texts = Field(default_factory=list)


class PhaseOneEntry(Section):
    """Fine-tune phase 1: one run."""

    config: Text


class PhaseTwoEntry(Section):
    """Fine-tune phase 2: a run a seed. `{seed}` in `config` stands for the seed."""

    config: Text
    seeds: Seeds
    start_from: Literal["phase1", "sweep"] = "phase1"


class FineTuneEntry(Section):
    """Both phases."""

    phase1: PhaseOneEntry
    phase2: PhaseTwoEntry


class ManifestEntry(Section):
    """The top level; its parts are checked one by one, so that each fault is found."""

    shared: Any = None
    jobs: Annotated[list[Any], Field(min_length=1)]
    fine_tune: Any = None
    continue_on_error: bool = False
