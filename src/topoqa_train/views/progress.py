"""What a workflow reports: the plan, outcomes, and the protocol that screens implement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from topoqa_train.runs.events import Event


@dataclass(frozen=True)
class DataSummary:
    """One line about a data set; `coverage` is in percent over all splits."""

    name: str
    targets: int
    graphs: dict[str, int]
    coverage: float


@dataclass(frozen=True)
class PlannedPhase:
    """A phase and the names of its jobs."""

    name: str
    jobs: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """What an override changes in a job; `before` is None if the config has no such value."""

    key: str
    before: str | None
    now: str
    origin: str


@dataclass(frozen=True)
class PlannedJob:
    """A job in a plan; `options` are its other options, a few words each."""

    phase: str
    name: str
    config: str
    epochs: int
    graphs: dict[str, int]
    changes: tuple[Change, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a workflow will do; with `keep_going` it continues after a failed job."""

    title: str
    phases: tuple[PlannedPhase, ...]
    jobs: tuple[PlannedJob, ...]
    data: tuple[DataSummary, ...]
    at_once: int
    keep_going: bool = False


JobState = Literal["done", "done before", "failed", "interrupted", "running", "not started"]


@dataclass(frozen=True)
class JobOutcome:
    """The outcome of a job. `best` is the best `metric`, in `epoch`, which counts from 0."""

    name: str
    state: JobState
    run_dir: Path | None = None
    metric: str | None = None
    best: float | None = None
    epoch: int | None = None
    seconds: float = 0.0


class Reporter(Protocol):
    """Receiver of what happens in a workflow, called in order and on one thread."""

    def plan(self, plan: Plan) -> None:
        """Report the plan: all is checked, the first job starts next."""
        ...

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        """Report that a phase starts with these jobs."""
        ...

    def done_before(self, job: str, run_id: str) -> None:
        """Report a job that an earlier session completed; it is not run."""
        ...

    def event(self, event: Event) -> None:
        """Report an event of a job."""
        ...

    def note(self, text: str) -> None:
        """Report a line that the user should read."""
        ...


def _to_each(name: str) -> Callable[..., None]:
    def call(self: Reporters, *arguments: object) -> None:
        for reporter in self.reporters:
            getattr(reporter, name)(*arguments)

    return call


class Reporters:
    """Several reporters as one `Reporter`."""

    def __init__(self, *reporters: Reporter) -> None:
        self.reporters = reporters

    plan = _to_each("plan")
    phase = _to_each("phase")
    done_before = _to_each("done_before")
    event = _to_each("event")
    note = _to_each("note")
