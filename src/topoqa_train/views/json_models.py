"""The JSON documents of `summarise` and `monitor`; their schemas are generated from these models.

NaN and infinity become null.
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
    """Replace what UTF-8 can't encode, as in file names of other encodings."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


Text = Annotated[str, BeforeValidator(_encodable)]
Number = Annotated[float | None, BeforeValidator(_or_null)]
Json = Annotated[dict[str, Any], BeforeValidator(finite)]


class _Part(BaseModel):
    # Every document has every field, so the schema requires them all.
    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_serialization_defaults_required=True
    )


class Metrics(BaseModel):
    """The metrics of one epoch; null if unknown. Other columns are kept."""

    model_config = ConfigDict(
        extra="allow", frozen=True, json_schema_serialization_defaults_required=True
    )
    __pydantic_extra__: dict[str, Number] = Field(init=False)

    step: int | None = Field(default=None, description="optimizer steps so far")
    learning_rate: Number = Field(default=None, description="learning rate of the epoch")
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
    """A checkpoint file that exists, with the metrics of its own epoch."""

    path: Text = Field(description="relative to the run (summarise), or as `run_dir` (monitor)")
    links: list[Text] = Field(description="links to it in model_checkpoints")
    epoch: int | None = Field(description="counts from 0; null if unknown")
    metrics: Metrics = Field(description="metrics of that epoch")


class RankedCheckpoint(Checkpoint):
    """A checkpoint and its rank."""

    rank: int = Field(description="1 is the best by the ranking metric")


class Pace(_Part):
    """Percentiles of the last epochs' times, in seconds."""

    fast: float = Field(description="10th percentile of the last 20 epochs")
    median: float = Field(description="their median")
    slow: float = Field(description="their 90th percentile")


class EpochsLeft(_Part):
    """How many epochs may remain."""

    fewest: int = Field(description="until early stopping, if no epoch improves the metric")
    most: int = Field(description="until num_epochs")


class TimeLeft(_Part):
    """Seconds until the training ends, without the time of the epoch in progress so far."""

    best: float = Field(description="epochs_left.fewest at pace.fast")
    median: float = Field(description="epochs_left.most at pace.median")
    worst: float = Field(description="epochs_left.most at pace.slow")


class Runtime(_Part):
    """How long it took, and how long it will take."""

    epochs_done: int = Field(description="completed epochs in the metrics table")
    num_epochs: int | None = Field(description="maximum; null if unknown")
    elapsed_seconds: Number = Field(
        description="time in epochs over all sessions, with the epoch in progress; "
        "if epochs have no times, the recorded total"
    )
    open_epoch_seconds: Number = Field(
        description="time since the last write; null unless it is running"
    )
    mean_epoch_seconds: Number = Field(description="over all epochs")
    median_epoch_seconds: Number = Field(description="over all epochs")
    pace: Pace | None = Field(description="null before the first epoch")
    epochs_left: EpochsLeft | None = Field(description="null unless it is running")
    time_left: TimeLeft | None = Field(description="null unless it is running and has a pace")


class LearningRate(_Part):
    """The learning rate of the last epoch, and the one before that was different."""

    value: float = Field(description="of the last epoch")
    before: Number = Field(
        default=None, description="previous learning rate; null if it never changed"
    )
    before_until_epoch: int | None = Field(default=None, description="last epoch with `before`")


class _Run(_Part):
    """Fields that both documents have."""

    schema_version: Literal[1] = Field(default=1, description="changes when a field is removed")
    run_id: Text = Field(description="the directory's name")
    status: Status = Field(description="derived from its files and its process")
    read_only: bool = Field(
        description="another program wrote the run: it can be read, not resumed"
    )


class SummaryDocument(_Run):
    """All about one run."""

    run_dir: Text = Field(description="absolute")
    metadata: Json = Field(description="run_metadata.json")
    learning_parameters: Json = Field(description="network, batches, trainer, learning rate")
    selection: Json = Field(description="the selection settings")
    ranking_metric: Text = Field(description="metric that ranks checkpoints; lower is better")
    metrics_history: list[EpochMetrics] = Field(description="one row per epoch, in order")
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
    last_checkpoint: Text | None = Field(
        description="checkpoint to resume from, relative to the run"
    )
    links: dict[Text, Text] = Field(description="link in model_checkpoints to its file")
    broken_links: dict[Text, Text] = Field(description="dangling link to its target")
    coverage: Json | None = Field(description="dataset_coverage.json; null if it does not exist")
    feature_schema: Json | None = Field(
        description="feature_metadata.json; null if it does not exist"
    )
    runtime: Runtime = Field(description="measured and estimated times")
    warnings: list[Text] = Field(description="what to know before using these metrics")


class MonitorDocument(_Run):
    """The best checkpoint of a run, now."""

    run_dir: Text = Field(description="relative to the working directory if below it")
    ranking_metric: Text = Field(description="metric that ranks checkpoints; lower is better")
    best: Checkpoint | None = Field(description="null if there is no checkpoint")
    second_best: Checkpoint | None = Field(description="null if there is none")
    third_best: Checkpoint | None = Field(description="null if there is none")
    latest: EpochMetrics | None = Field(description="the last completed epoch")
    learning_rate: LearningRate | None = Field(description="null if the metrics have none")
    learning_parameters: Json = Field(description="network, batches, trainer, learning rate")
    metrics_history: list[EpochMetrics] = Field(description="the last epochs, in order")
    runtime: Runtime = Field(description="measured and estimated times")
    warnings: list[Text] = Field(description="what to know before using these metrics")

    def recent(self, limit: int) -> MonitorDocument:
        """Return a copy with the last `limit` rows of the history."""
        rows = self.metrics_history[-limit:] if limit else []
        return self.model_copy(update={"metrics_history": rows})


def to_json(document: BaseModel, *, indent: int | None) -> str:
    """Return ASCII JSON, on one line if `indent` is None; raises as `plain` does."""
    return json.dumps(plain(document), indent=indent, allow_nan=False)


def plain(document: BaseModel) -> dict[str, Any]:
    """Return a document as JSON types.

    Raises:
        RequestError: a value from a file of the run is nested too deeply to be written again.
    """
    try:
        return document.model_dump(mode="json")
    except (ValueError, RecursionError) as error:
        raise RequestError("a file of this run is nested too deeply to be shown") from error


def epoch_metrics(row: Mapping[str, float]) -> EpochMetrics:
    """Return a row of the metrics table."""
    return EpochMetrics.model_validate({**_metrics(row), "epoch": int(row["epoch"])})


def checkpoint(candidate: Candidate, path: str) -> Checkpoint:
    """Return the document of a checkpoint that is shown as `path`."""
    return Checkpoint(
        path=path,
        links=list(candidate.links),
        epoch=candidate.epoch,
        metrics=Metrics.model_validate(_metrics(candidate.metrics)),
    )


def _metrics(row: Mapping[str, float]) -> dict[str, float | None]:
    """Return `row` without its epoch, with `step` as an integer."""
    step = row.get("step", math.nan)
    metrics = {name: value for name, value in row.items() if name not in ("epoch", "step")}
    return {**metrics, "step": int(step) if math.isfinite(step) else None}
