"""What a training tells whoever watches: plain data that can cross a process as a line of JSON."""

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
    """A process has taken the job; loading its libraries takes some seconds."""

    kind: Literal["begun"] = "begun"


class GraphsRead(_Event):
    """Graphs read of those there are. Sent about once a second at the most."""

    kind: Literal["reading"] = "reading"
    graphs_read: int
    graphs: int


class DataReady(_Event):
    """All graphs were read and checked; number of graphs per split."""

    kind: Literal["data"] = "data"
    graphs: dict[str, int]
    coverage: dict[str, float]
    node_dim: int
    edge_dim: int


class StepsDone(_Event):
    """Inside an epoch: batches done of those it has. Sent about once a second at the most."""

    kind: Literal["steps"] = "steps"
    epoch: int
    batches_done: int
    batches: int


class EpochEnded(_Event):
    """An epoch is over and everything of it is on the disk. Epochs count from 1 here."""

    kind: Literal["epoch"] = "epoch"
    epoch: int
    num_epochs: int
    seconds: float
    metrics: dict[str, float]
    ranking_metric: str
    best_value: float | None
    best_epoch: int | None


class Notice(_Event):
    """A line for people: a warning, or something worth knowing."""

    kind: Literal["notice"] = "notice"
    text: str


class RunEnded(_Event):
    """The run is over; `error` is `TopoqaTrainError.to_json` unless it completed."""

    kind: Literal["ended"] = "ended"
    status: Literal["completed", "failed", "interrupted"]
    run_dir: str | None = None
    error: dict[str, Any] | None = None


Event = Begun | RunCreated | GraphsRead | DataReady | StepsDone | EpochEnded | Notice | RunEnded
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def to_line(event: Event) -> str:
    """One line of JSON, without the newline."""
    return event.model_dump_json()


def from_line(line: str | bytes) -> Event:
    """Undo `to_line`; raises `pydantic.ValidationError`."""
    return _ADAPTER.validate_json(line)
