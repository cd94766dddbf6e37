"""The config, one model for each YAML section.

All models are frozen and strict: a boolean is not a number, a number is not text, and an unknown
key is an error. Numbers are finite.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

MAX_SEED = 2**32 - 1
# The paths that a config without a data set has to name.
NEEDED_PATHS = ("graph", "train_labels", "val_labels")

MetricName = Literal["selection_metric", "val_loss"]


def empty_if_none(kind: type[dict[Any, Any]] | type[list[Any]]) -> BeforeValidator:
    """Return a validator that accepts a key without a value as an empty mapping or list."""
    return BeforeValidator(lambda value: kind() if value is None else value)


def _is_index(value: Any) -> bool:  # noqa: ANN401
    return type(value) is int and value >= 0


def _devices(value: Any) -> Any:  # noqa: ANN401
    if value == "auto" or (type(value) is int and (value >= 1 or value == -1)):
        return value
    is_list = isinstance(value, list | tuple) and all(map(_is_index, value))
    if is_list and 0 < len(value) == len(set(value)):
        return tuple(value)
    raise PydanticCustomError(
        "devices", "should be a number of devices, 'auto' or a list of device numbers"
    )


def _tag(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str | int | float):
        return value
    raise PydanticCustomError("tag", "should be text, a number, true or false")


class Section(BaseModel):
    """Base of all sections: frozen and strict, with no other keys."""

    # YAML has given each value its type already: conversion would only hide mistakes, such as
    # `num_epochs: true`, and without `extra="forbid"` a misspelt key would leave the default.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _mapping_schema(values: dict[str, Any] | bool) -> WithJsonSchema:
    return WithJsonSchema({"type": ["object", "null"], "additionalProperties": values})


# Each validator has its JSON Schema next to it, for editors. One validator for the whole value
# gives one error; a union of types would give an error for each of its members.
Precision = Literal[
    16, 32, 64, "16", "32", "64", "bf16",
    "16-mixed", "bf16-mixed", "16-true", "bf16-true", "32-true", "64-true",
]  # fmt: skip
Devices = Annotated[
    int | Literal["auto"] | tuple[int, ...],
    BeforeValidator(_devices),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"enum": [-1, "auto"]},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0},
                    "minItems": 1,
                    "uniqueItems": True,
                },
            ]
        }
    ),
]
DataPath = Annotated[
    Path,
    Field(strict=False),
    WithJsonSchema({"type": "string", "format": "path", "pattern": r"\S"}),
]
_TAG_SCHEMA: dict[str, Any] = {"type": ["string", "number", "boolean"]}
Tag = Annotated[str | int | float | bool, BeforeValidator(_tag), WithJsonSchema(_TAG_SCHEMA)]
Options = Annotated[dict[str, Any], empty_if_none(dict), _mapping_schema(values=True)]
Tags = Annotated[dict[str, Tag], empty_if_none(dict), _mapping_schema(_TAG_SCHEMA)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Text = Annotated[str, Field(min_length=1)]


class PathsConfig(Section):
    """Location of the data: `graph`, `train_labels` and `val_labels`, or a plugin's `dataset`.

    Next to a data set, a path given here replaces the data set's own: `dataset: demo` with
    `graph: /fast/disk` uses the demo's labels with graphs from another folder.
    """

    graph: DataPath | None = Field(default=None, description="folder of graphs, <MODEL>.pt")
    train_labels: DataPath | None = Field(default=None, description="CSV of MODEL and dockq")
    val_labels: DataPath | None = Field(default=None, description="CSV of MODEL and dockq")
    test_labels: DataPath | None = Field(default=None, description="CSV of MODEL and dockq")
    dataset: Text | None = Field(default=None, description="name of a data set of a plugin")
    metadata: DataPath | None = Field(
        default=None, description="graph_metadata.json, if it is not in the folder of graphs"
    )
    summary: DataPath | None = Field(default=None, description="the graph builder's summary")
    save_dir: DataPath | None = Field(
        default=None,
        description="where runs are written; relative to the working directory, unlike the others",
    )

    @model_validator(mode="after")
    def _has_data(self) -> PathsConfig:
        missing = [name for name in NEEDED_PATHS if getattr(self, name) is None]
        if self.dataset is None and missing:
            raise PydanticCustomError("no_data", "no data", {"missing": missing})
        return self


class ModelConfig(Section):
    """The network."""

    architecture: Text = Field(default="proteingat", description="a name of the models' registry")
    attention_head: int = Field(default=8, ge=1, le=1024, description="attention heads")
    pooling_type: Literal["mean", "add", "max"] = Field(
        default="mean", description="nodes to graph"
    )
    options: Options = Field(
        default_factory=dict, description="further options of a plugin's model"
    )


class DataloaderConfig(Section):
    """Batches, and the seed of the whole run."""

    batch_size: int = Field(default=16, ge=1, le=10**6, description="graphs a batch")
    num_workers: int = Field(
        default=0, ge=0, le=256, description="loader processes; 0 suits small graphs"
    )
    seed: Seed = Field(default=222, description="of weights, order and dropout")


class TrainerConfig(Section):
    """Device, precision and length of a training."""

    accelerator: Literal["cpu", "gpu", "cuda", "mps", "auto"] = Field(
        default="cpu", description="device type"
    )
    devices: Devices = Field(
        default=1, description="1, or the number of one device in brackets: [0]"
    )
    precision: Precision = Field(
        default=32, description="a precision of Lightning: 32, 16, bf16-mixed, ..."
    )
    num_epochs: int = Field(
        default=200, ge=1, le=10**6, description="at most; early stopping may end it"
    )
    accumulate_grad_batches: int = Field(
        default=32, ge=1, le=10**6, description="batches an optimizer step"
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="CPU threads of a job; numbers are equal bit for bit only for equal threads",
    )


class OptimizerConfig(Section):
    """Adam."""

    learning_rate: float = Field(default=0.005, gt=0, le=1e3, description="at the start")


class SchedulerConfig(Section):
    """The learning rate falls when val_loss stops falling."""

    type: Literal["reduce_on_plateau"] = Field(
        default="reduce_on_plateau", description="the only one there is"
    )
    factor: float = Field(default=0.5, gt=0, lt=1, description="learning rate times this")
    patience: int = Field(
        default=10, ge=0, le=10**6, description="epochs without a better val_loss"
    )


class EarlyStoppingConfig(Section):
    """Condition for a stop before the last epoch."""

    patience: int = Field(
        default=20, ge=0, le=10**6, description="epochs without a better ranking metric"
    )


class SelectionConfig(Section):
    """Metric by which epochs, checkpoints and runs are ranked."""

    primary_metric: Literal["auto", "selection_metric", "val_loss"] = Field(
        default="auto",
        description="the ranking metric of checkpoints, early stopping and runs; "
        "`auto` is `selection_metric` if `use_val_spearman`, else `val_loss`",
    )
    use_val_spearman: bool = Field(default=True, description="whether rank correlation counts")
    spearman_weight: float = Field(default=1.0, ge=0, le=1e6, description="how much it counts")
    spearman_min_delta: float = Field(
        default=0.0, ge=0, le=1, description="rank correlation up to which none is counted"
    )

    @property
    def ranking_metric(self) -> MetricName:
        """Return `primary_metric` with `auto` resolved; lower is better for both."""
        if self.primary_metric != "auto":
            return self.primary_metric
        return "selection_metric" if self.use_val_spearman else "val_loss"


class CoverageConfig(Section):
    """Share of labelled decoys that need a graph."""

    minimum_percent: float = Field(
        default=100.0, ge=0, le=100, description="of each split; 0..1 is a ratio"
    )
    fail_on_missing: bool = Field(default=True, description="stop if any is missing")

    @property
    def required_percent(self) -> float:
        """Return a percentage from 0 to 100; a value up to 1 is a ratio, so 1 means all."""
        given = self.minimum_percent
        return round(given * 100, 9) if given <= 1 else given


class LoggingConfig(Section):
    """Amount of the trainer's output."""

    progress_bar_refresh_rate: int = Field(
        default=0,
        ge=0,
        le=10**6,
        description="batches between lines of progress in the run's log; 0: none",
    )
    log_every_n_steps: int = Field(
        default=100, ge=1, le=10**9, description="steps between train losses in the log"
    )


class EdgeSchemaConfig(Section):
    """Embedding of edges; their width is read from the graphs."""

    use_layer_norm: bool = Field(default=True, description="Linear, LayerNorm, ReLU, Linear")


class TrackerSection(Section):
    """A section whose name is that of a tracker, see `topoqa_train.trackers`."""

    enabled: bool = Field(default=False, description="send the run there as it trains")


class MLflowConfig(TrackerSection):
    """Tracking in MLflow, off by default. Needs the plugin topoqa-trackers."""

    tracking_uri: Text = Field(
        default="./mlruns",
        description="a folder, relative to the working directory, or an address of MLflow",
    )
    experiment: Text = Field(
        default="dynamic_topoqa", description="name of the experiment; created if it does not exist"
    )
    run_name: Text | None = Field(default=None, description="default: the run's own name")
    log_artifacts: bool = Field(
        default=True,
        description="at the end send config, metadata, metrics, coverage and best checkpoint",
    )
    tags: Tags = Field(default_factory=dict, description="names and values, added to the run's own")


class LegacyConfig(Section):
    """Keys of the previous pipeline's flat configs that have no effect, recorded as they were.

    Widths and schemas are read from the graphs, so a declared topology or edge schema changes
    nothing; there is no profiler to set up.
    """

    edge_schema: Options = Field(default_factory=dict, description="what a flat config declared")
    topology_schema: Options = Field(
        default_factory=dict, description="what a flat config declared"
    )
    profiling: Options = Field(default_factory=dict, description="what a flat config declared")


class TrainingConfig(Section):
    """All sections of a config."""

    # `load_config` has made relative paths absolute, except `save_dir`.

    paths: PathsConfig
    model: ModelConfig = Field(default_factory=ModelConfig)
    dataloader: DataloaderConfig = Field(default_factory=DataloaderConfig)
    trainer: TrainerConfig = Field(default_factory=TrainerConfig)
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig)
    scheduler: SchedulerConfig = Field(default_factory=SchedulerConfig)
    early_stopping: EarlyStoppingConfig = Field(default_factory=EarlyStoppingConfig)
    selection: SelectionConfig = Field(default_factory=SelectionConfig)
    coverage: CoverageConfig = Field(default_factory=CoverageConfig)
    logging: LoggingConfig = Field(default_factory=LoggingConfig)
    edge_schema: EdgeSchemaConfig = Field(default_factory=EdgeSchemaConfig)
    mlflow: MLflowConfig = Field(default_factory=MLflowConfig)
    reference: LegacyConfig = Field(default_factory=LegacyConfig)


SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in TrainingConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
# Trackers read a run and change nothing in it.
TRACKERS = frozenset(n for n, kind in SECTIONS.items() if issubclass(kind, TrackerSection))
# Made absolute from the folder of the file or command that gave them; `save_dir` is not.
DATA_PATHS = ("graph", "train_labels", "val_labels", "test_labels", "metadata", "summary")
