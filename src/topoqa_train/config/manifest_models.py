"""What may stand in a manifest, one model a part."""

from __future__ import annotations

from typing import Annotated, Any, Literal, LiteralString

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from topoqa_train.config.models import Options, Section, Seed, Text
from topoqa_train.config.names import NAME_SCHEMA, fault_of_name
from topoqa_train.config.run_options import CommonOptions


def _said(kind: LiteralString, text: str) -> PydanticCustomError:
    return PydanticCustomError(kind, "{text}", {"text": text})


def _plain_name(name: str) -> str:
    fault = fault_of_name(name)
    if fault is not None:
        raise _said("name", fault)
    return name


def _no_seed_twice(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise _said("seeds", "a seed stands there twice")
    return seeds


def _list(value: Any) -> Any:  # noqa: ANN401
    """An empty list for a key with nothing after it."""
    return [] if value is None else value


PlainName = Annotated[
    str, AfterValidator(_plain_name), WithJsonSchema({"type": "string", **NAME_SCHEMA})
]
Texts = Annotated[
    list[Text],
    BeforeValidator(_list),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string", "minLength": 1}},
                {"type": "null"},
            ]
        }
    ),
]
Seeds = Annotated[
    tuple[Seed, ...],
    Field(min_length=1, strict=False, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_no_seed_twice),
]
ConfigFile = Annotated[
    Text | None, Field(description="config file; a job without one takes that of `shared`")
]
Values = Annotated[
    Options,
    Field(description="values over the config: dotted keys, or sections as in a config"),
]
TrainerArgs = Annotated[
    Texts, Field(description="arguments of lightning.Trainer, each `KEY=VALUE`")
]


class _SharedKeys(Section):
    config: ConfigFile = None
    overrides: Values = Field(default_factory=dict)
    output_root: Text | None = Field(
        default=None, description="where runs go; `--output-root` is stronger"
    )
    trainer_args: TrainerArgs = Field(default_factory=list)


class SharedEntry(CommonOptions, _SharedKeys):
    """Values for every job, and for the fine-tune jobs too."""


class _JobKeys(Section):
    name: PlainName = Field(description="name of the job, and of its run with the time behind it")
    config: ConfigFile = None
    overrides: Values = Field(default_factory=dict)
    run_name: PlainName | None = Field(
        default=None,
        description="the run's directory as it stands, without a time; refused if taken",
    )
    resume_from: Text | None = Field(
        default=None, description="checkpoint whose weights the job starts from"
    )
    trainer_args: TrainerArgs = Field(default_factory=list)


class JobEntry(CommonOptions, _JobKeys):
    """One job; what it leaves out is taken from `shared`."""


class PhaseOneEntry(Section):
    """Fine-tune phase 1: one run."""

    config: Text = Field(description="config file of the phase")


class PhaseTwoEntry(Section):
    """Fine-tune phase 2: a run a seed. `{seed}` in `config` stands for the seed."""

    config: Text = Field(
        description="config file of the phase; `{seed}` in its name stands for the seed"
    )
    seeds: Seeds = Field(description="a run each")
    start_from: Literal["phase1", "sweep"] = Field(
        default="phase1", description="the best checkpoint of phase 1, or of the sweep"
    )


class FineTuneEntry(Section):
    """Both phases."""

    phase1: PhaseOneEntry = Field(description="one run, from the best of the sweep")
    phase2: PhaseTwoEntry = Field(description="one run a seed")


class ManifestEntry(Section):
    """The top level; its parts are checked one by one, so that each fault is found."""

    shared: Any = Field(
        default=None, description="what holds for every job and for both fine-tune phases"
    )
    jobs: Annotated[list[Any], Field(min_length=1)] = Field(
        description="the sweep, in the order in which it is started"
    )
    fine_tune: Any = Field(
        default=None,
        description="both phases; without it only the sweep can be run (`--skip-fine`)",
    )
    continue_on_error: bool = Field(
        default=False, description="the other jobs of a phase go on when one fails"
    )
