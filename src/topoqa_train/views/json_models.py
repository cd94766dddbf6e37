"""What `summarise` and `monitor` print: one typed document each, from which its schema is made.

JSON types only: a NaN or infinity becomes null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from topoqa_train.errors import RequestError
from topoqa_train.runs.metadata import finite
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import Candidate


def _or_null(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _encodable(value: object) -> object:
    """A name that is no UTF-8 can't stand in JSON as it is."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


Text = Annotated[str, BeforeValidator(_encodable)]
Number = Annotated[float | None, BeforeValidator(_or_null)]
Json = Annotated[dict[str, Any], BeforeValidator(finite)]


class _Part(BaseModel):
    # Every field is in every document, so the schema may ask for it.
    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
    )


class Metrics(BaseModel):
    """The figures of one epoch; null where there is none. Columns beyond these are kept."""

    model_config = ConfigDict(
        extra="allow", frozen=True, json_schema_serialization_defaults_required=True
    )
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    step: int | None = Field(default=None, description="optimizer steps so far")
    learning_rate: Number = Field(default=None, description="that the epoch was trained with")
    train_mse: Number = Field(default=None, description="mean squared error, training graphs")
    val_loss: Number = Field(default=None, description="mean squared error, validation graphs")
    val_pearson_corr: Number = Field(default=None, description="Pearson's correlation")
    val_spearman_corr: Number = Field(default=None, description="Spearman's rank correlation")
    selection_metric: Number = Field(
        default=None,
        description="val_loss - spearman_weight * max(0, val_spearman_corr - spearman_min_delta)",
    )
    epoch_seconds: Number = Field(default=None, description="how long the epoch took")


class EpochMetrics(Metrics):
    """A row of the metrics table."""

    epoch: int = Field(description="counts from 0")


class Checkpoint(_Part):
    """A checkpoint file that is on the disk, with the figures of the very epoch it is of."""

    path: Text = Field(description="relative to the run (summarise), or as `run_dir` (monitor)")
    links: list[Text] = Field(description="names in model_checkpoints that lead to it")
    epoch: int | None = Field(description="counts from 0; null where no name or row tells")
    metrics: Metrics = Field(description="figures of that epoch")


class RankedCheckpoint(Checkpoint):
    """A checkpoint in its place."""

    rank: int = Field(description="1 is the best by the ranking metric")


class Pace(_Part):
    """What an epoch took of late, in seconds: percentiles of the last epochs' times."""

    fast: float = Field(description="10th percentile of the last 20 epochs")
    median: float = Field(description="their median")
    slow: float = Field(description="their 90th percentile")


class EpochsLeft(_Part):
    """How many epochs may still come."""

    fewest: int = Field(description="until early stopping, if no epoch is a gain any more")
    most: int = Field(description="until num_epochs")


class TimeLeft(_Part):
    """Seconds until the training ends, less what the open epoch has taken already."""

    best: float = Field(description="epochs_left.fewest at pace.fast")
    median: float = Field(description="epochs_left.most at pace.median")
    worst: float = Field(description="epochs_left.most at pace.slow")


class Runtime(_Part):
    """How long it took, and how long it will take."""

    epochs_done: int = Field(description="whole epochs in the metrics table")
    num_epochs: int | None = Field(description="at most; null where nothing tells")
    elapsed_seconds: Number = Field(
        description="time in epochs, all sittings together; while it runs, with the open epoch. "
        "Where epochs have no times: what was written down of the whole"
    )
    open_epoch_seconds: Number = Field(
        description="since the run last wrote, while it runs; else null"
    )
    mean_epoch_seconds: Number = Field(description="over all epochs")
    median_epoch_seconds: Number = Field(description="over all epochs")
    pace: Pace | None = Field(description="null before the first epoch")
    epochs_left: EpochsLeft | None = Field(description="null unless it runs")
    time_left: TimeLeft | None = Field(description="null unless it runs and has a pace")


class LearningRate(_Part):
    """The learning rate of the last epoch, and the one before it fell."""

    value: float = Field(description="of the last epoch")
    before: Number = Field(default=None, description="what it fell from; null if it never did")
    before_until_epoch: int | None = Field(default=None, description="last epoch with `before`")


class _Run(_Part):
    """What both documents begin with."""

    schema_version: Literal[1] = Field(default=1, description="changes when a field goes")
    run_id: Text = Field(description="the directory's name")
    status: Status = Field(description="as its files and its process tell now")
    read_only: bool = Field(
        description="another program wrote the run: it can be read, not resumed"
    )


class SummaryDocument(_Run):
    """All about one run."""

    run_dir: Text = Field(description="absolute")
    metadata: Json = Field(description="run_metadata.json")
    learning_parameters: Json = Field(description="network, batches, trainer, learning rate")
    selection: Json = Field(description="the selection settings")
    ranking_metric: Text = Field(description="what ranks checkpoints; lower is better")
    metrics_history: list[EpochMetrics] = Field(description="one row an epoch, in order")
    best_by_val_loss: Checkpoint | None = Field(description="of the checkpoints on the disk")
    best_by_selection_metric: Checkpoint | None = Field(
        description="of the checkpoints on the disk"
    )
    best_epochs: dict[str, EpochMetrics] = Field(
        description="by val_loss and by selection_metric, with or without a checkpoint"
    )
    checkpoint_ranking: list[RankedCheckpoint] = Field(
        description="all ranked checkpoints on the disk, best first"
    )
    last_checkpoint: Text | None = Field(description="where to go on, relative to the run")
    links: dict[Text, Text] = Field(description="name in model_checkpoints to the file it leads to")
    broken_links: dict[Text, Text] = Field(description="name to the target that is not there")
    coverage: Json | None = Field(description="dataset_coverage.json; null where there is none")
    feature_schema: Json | None = Field(
        description="feature_metadata.json; null where there is none"
    )
    runtime: Runtime = Field(description="measured and estimated times")
    warnings: list[Text] = Field(description="what to know before using these figures")


class MonitorDocument(_Run):
    """The best checkpoint of a run, now."""

    run_dir: Text = Field(description="relative to the working directory where below it")
    ranking_metric: Text = Field(description="the metric that the best wins by; lower is better")
    best: Checkpoint | None = Field(description="null while there is no checkpoint")
    second_best: Checkpoint | None = Field(description="null while there is none")
    third_best: Checkpoint | None = Field(description="null while there is none")
    latest: EpochMetrics | None = Field(description="the last whole epoch")
    learning_rate: LearningRate | None = Field(description="null where the metrics have none")
    learning_parameters: Json = Field(description="network, batches, trainer, learning rate")
    metrics_history: list[EpochMetrics] = Field(description="the last epochs, in order")
    runtime: Runtime = Field(description="measured and estimated times")
    warnings: list[Text] = Field(description="what to know before using these figures")

    def recent(self, limit: int) -> MonitorDocument:
        """The same with the last `limit` rows of its history alone."""
        rows = self.metrics_history[-limit:] if limit else []
        return self.model_copy(update={"metrics_history": rows})


def to_json(document: BaseModel, *, indent: int | None) -> str:
    """One JSON text, ASCII alone; a single line where `indent` is None; raises as `plain` does."""
    return json.dumps(plain(document), indent=indent, allow_nan=False)


def plain(document: BaseModel) -> dict[str, Any]:
    """A document as JSON types.

    Raises:
        RequestError: what a file of the run held is nested too deeply to be written again.
    """
    try:
        return document.model_dump(mode="json")
    except (ValueError, RecursionError) as error:
        raise RequestError("a file of this run is nested too deeply to be shown") from error


def epoch_metrics(row: Mapping[str, float]) -> EpochMetrics:
    """A row of the metrics table."""
    return EpochMetrics.model_validate({**_figures(row), "epoch": int(row["epoch"])})


def checkpoint(candidate: Candidate, path: str) -> Checkpoint:
    """A checkpoint that is shown as `path`."""
    return Checkpoint(
        path=path,
        links=list(candidate.links),
        epoch=candidate.epoch,
        metrics=Metrics.model_validate(_figures(candidate.metrics)),
    )


def _figures(row: Mapping[str, float]) -> dict[str, float | None]:
    """`row` without its epoch, steps as the whole number that they are."""
    step = row.get("step", math.nan)
    figures = {name: value for name, value in row.items() if name not in ("epoch", "step")}
    return {**figures, "step": int(step) if math.isfinite(step) else None}
