"""The manifest, one model for each of its parts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from topoqa_train.config.models import Options, Section, Seed, Text, empty_if_none
from topoqa_train.config.names import NAME_SCHEMA, problem_of_name
from topoqa_train.config.run_options import CommonOptions


def _plain_name(name: str) -> str:
    problem = problem_of_name(name)
    if problem is not None:
        raise PydanticCustomError("name", "{problem}", {"problem": problem})
    return name


def _unique(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise PydanticCustomError("seeds", "names a seed twice")
    return seeds


PlainName = Annotated[
    str, AfterValidator(_plain_name), WithJsonSchema({"type": "string", **NAME_SCHEMA})
]
Texts = Annotated[
    list[Text],
    empty_if_none(list),
    WithJsonSchema({"type": ["array", "null"], "items": {"type": "string", "minLength": 1}}),
]
Seeds = Annotated[
    tuple[Seed, ...],
    Field(min_length=1, strict=False, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_unique),
]


class _Named(Section):
    name: PlainName = Field(description="name of the job, and of its run before the timestamp")


class _CommonKeys(Section):
    config: Text | None = Field(
        default=None, description="config file; the default for a job is that of `shared`"
    )
    overrides: Options = Field(
        default_factory=dict,
        description="values over the config: dotted keys, or sections as in a config",
    )
    trainer_args: Texts = Field(
        default_factory=list, description="arguments of lightning.Trainer, each `KEY=VALUE`"
    )


class SharedEntry(CommonOptions, _CommonKeys):
    """Values for every job, and for the fine-tune jobs too."""

    output_root: Text | None = Field(
        default=None, description="where runs are written; `--output-root` is stronger"
    )


# pydantic orders fields from the last base to the class itself, and the documentation follows it.
class JobEntry(CommonOptions, _CommonKeys, _Named):
    """One job; the default of a missing key is that of `shared`."""

    run_name: PlainName | None = Field(
        default=None,
        description="exact name of the run's directory, without a timestamp; refused if taken",
    )
    resume_from: Text | None = Field(
        default=None, description="checkpoint whose weights the job starts from"
    )


class PhaseOneEntry(Section):
    """Fine-tune phase 1: one run."""

    config: Text = Field(description="config file of the phase")


class PhaseTwoEntry(Section):
    """Fine-tune phase 2: one run for each seed."""

    config: Text = Field(
        description="config file of the phase; `{seed}` in its name is replaced by the seed"
    )
    seeds: Seeds = Field(description="seeds of the runs")
    start_from: Literal["phase1", "sweep"] = Field(
        default="phase1", description="the best checkpoint of phase 1, or of the sweep"
    )


class FineTuneEntry(Section):
    """Both phases of fine-tuning."""

    phase1: PhaseOneEntry = Field(description="one run, from the best checkpoint of the sweep")
    phase2: PhaseTwoEntry = Field(description="one run for each seed")


class ManifestEntry(Section):
    """Jobs of a sweep, what they share, and how the best is fine-tuned.

    Order of strength: config, shared, job, command line.
    """

    shared: SharedEntry | None = Field(
        default=None, description="values for every job and for both fine-tune phases"
    )
    jobs: Annotated[list[JobEntry], Field(min_length=1)] = Field(
        description="the sweep, in the order in which it is started"
    )
    fine_tune: FineTuneEntry | None = Field(
        default=None,
        description="both phases; without it only the sweep can be run (`--skip-fine`)",
    )
    continue_on_error: bool = Field(
        default=False, description="start the other jobs of a phase after one has failed"
    )
