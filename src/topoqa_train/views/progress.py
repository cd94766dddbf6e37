"""Who is told how a workflow goes; the screens implement it, the workflows only call it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from topoqa_train.runs.events import Event


@dataclass(frozen=True)
class DataSummary:
    """One line's worth of a data set; `coverage` in percent over all splits."""

    name: str
    targets: int
    graphs: dict[str, int]
    coverage: float


@dataclass(frozen=True)
class PlannedPhase:
    """A phase and the jobs that it will have."""

    name: str
    jobs: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """What an override does to a job: `before` is what the config has, None where nothing."""

    key: str
    before: str | None
    now: str
    origin: str


@dataclass(frozen=True)
class PlannedJob:
    """A job as a plan shows it; `options` are what it has beside its config, a few words each."""

    phase: str
    name: str
    config: str
    epochs: int
    graphs: dict[str, int]
    changes: tuple[Change, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a workflow is about to do; with `keep_going` one failure does not end it."""

    title: str
    phases: tuple[PlannedPhase, ...]
    jobs: tuple[PlannedJob, ...]
    data: tuple[DataSummary, ...]
    at_once: int
    keep_going: bool = False


JobState = Literal["done", "done before", "failed", "interrupted", "running", "not begun"]


@dataclass(frozen=True)
class JobOutcome:
    """What has come of a job. `best` is by `metric`, of the epoch `epoch`, which counts from 0."""

    name: str
    state: JobState
    run_dir: Path | None = None
    metric: str | None = None
    best: float | None = None
    epoch: int | None = None
    seconds: float = 0.0


class Reporter(Protocol):
    """Called on one thread, in the order of what happens."""

    def plan(self, plan: Plan) -> None:
        """All is checked and about to begin."""
        ...

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        """A phase begins with these jobs."""
        ...

    def done_before(self, job: str, run_id: str) -> None:
        """A job was found finished and is left alone."""
        ...

    def event(self, event: Event) -> None:
        """Something happened in a job."""
        ...

    def note(self, text: str) -> None:
        """A line that people should read."""
        ...


class Reporters:
    """Several reporters as one."""

    def __init__(self, *reporters: Reporter) -> None:
        self.reporters = reporters

    def plan(self, plan: Plan) -> None:
        """See `Reporter.plan`."""
        for reporter in self.reporters:
            reporter.plan(plan)

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        """See `Reporter.phase`."""
        for reporter in self.reporters:
            reporter.phase(name, jobs)

    def done_before(self, job: str, run_id: str) -> None:
        """See `Reporter.done_before`."""
        for reporter in self.reporters:
            reporter.done_before(job, run_id)

    def event(self, event: Event) -> None:
        """See `Reporter.event`."""
        for reporter in self.reporters:
            reporter.event(event)

    def note(self, text: str) -> None:
        """See `Reporter.note`."""
        for reporter in self.reporters:
            reporter.note(text)
