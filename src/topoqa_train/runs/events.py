"""Events of a training: plain data that crosses processes as a line of JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")

    job: str


class RunCreated(_Event):
    """The run has a directory."""

    kind: Literal["created"] = "created"
    run_dir: str


class Begun(_Event):
    """A process has started the job; it loads libraries for some seconds."""

    kind: Literal["begun"] = "begun"


class GraphsRead(_Event):
    """Progress of reading graphs; sent at most once a second."""

    kind: Literal["reading"] = "reading"
    graphs_read: int
    graphs: int


class DataReady(_Event):
    """All graphs were read and checked; `graphs` counts them per split."""

    kind: Literal["data"] = "data"
    graphs: dict[str, int]
    coverage: dict[str, float]
    node_dim: int
    edge_dim: int


class StepsDone(_Event):
    """Progress inside an epoch; sent at most once a second."""

    kind: Literal["steps"] = "steps"
    epoch: int
    batches_done: int
    batches: int


class EpochEnded(_Event):
    """An epoch has ended and all its files are on the disk. Epochs count from 1 here."""

    kind: Literal["epoch"] = "epoch"
    epoch: int
    num_epochs: int
    seconds: float
    metrics: dict[str, float]
    ranking_metric: str
    best_value: float | None
    best_epoch: int | None


class Notice(_Event):
    """A line for the user: a warning or a note.

    One about the data is the same for every job on them; with `once` a session shows it for one.
    """

    kind: Literal["notice"] = "notice"
    text: str
    once: bool = False


class RunEnded(_Event):
    """The run has ended; `error` is `TopoqaTrainError.to_json` unless it completed."""

    kind: Literal["ended"] = "ended"
    status: Literal["completed", "failed", "interrupted"]
    run_dir: str | None = None
    error: dict[str, Any] | None = None


Event = Begun | RunCreated | GraphsRead | DataReady | StepsDone | EpochEnded | Notice | RunEnded
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def to_line(event: Event) -> str:
    """Return the event as one line of JSON, without a newline."""
    return event.model_dump_json()


def from_line(line: str | bytes) -> Event:
    """Return the event that `to_line` wrote; raises `pydantic.ValidationError`."""
    return _ADAPTER.validate_json(line)
