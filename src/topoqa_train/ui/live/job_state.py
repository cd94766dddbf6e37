"""What a screen knows of one job, kept up to date by its events."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from topoqa_train.runs.events import (
    Begun,
    DataReady,
    EpochEnded,
    Event,
    GraphsRead,
    RunCreated,
    RunEnded,
    StepsDone,
)

State = Literal["waits", "starts", "loads", "trains", "done", "done before", "failed", "stopped"]
_ENDS: dict[str, State] = {"completed": "done", "failed": "failed", "interrupted": "stopped"}
_RECENT = 10


@dataclass
class JobView:
    """One job: where it is, what is best so far, how long it takes."""

    name: str
    phase: str
    epochs: int = 0
    state: State = "waits"
    epoch: int = 0
    batches: float = 0.0
    loaded: float = 0.0
    begun: float | None = None
    ended: float | None = None
    run_dir: str | None = None
    best: float | None = None
    best_epoch: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def take(self, event: Event, now: float) -> None:
        """Learn from an event of this job."""
        if self.begun is None:
            self.begun = now
        if isinstance(event, Begun):
            self.state = "starts"
        elif isinstance(event, RunCreated):
            self.state, self.run_dir = "loads", event.run_dir
        elif isinstance(event, GraphsRead):
            self.state, self.loaded = "loads", event.graphs_read / max(1, event.graphs)
        elif isinstance(event, DataReady):
            self.state = "trains"
        elif isinstance(event, StepsDone):
            self.batches = event.batches_done / event.batches
        elif isinstance(event, EpochEnded):
            self._epoch(event)
        elif isinstance(event, RunEnded):
            self.state, self.ended = _ENDS[event.status], now
            self.run_dir = event.run_dir or self.run_dir

    def _epoch(self, event: EpochEnded) -> None:
        self.state, self.epoch, self.epochs = "trains", event.epoch, event.num_epochs
        self.batches = 0.0
        self.metrics = event.metrics
        self.best, self.best_epoch = event.best_value, event.best_epoch
        self.recent.append(event.seconds)

    @property
    def running(self) -> bool:
        """Whether it is being worked on."""
        return self.state in ("starts", "loads", "trains")

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("done", "done before", "failed", "stopped")

    @property
    def fraction(self) -> float:
        """How much of the epochs is done, 0 to 1."""
        return min(1.0, (self.epoch + self.batches) / self.epochs) if self.epochs else 0.0

    @property
    def epoch_seconds(self) -> float | None:
        """Mean of the last epochs."""
        return sum(self.recent) / len(self.recent) if self.recent else None

    @property
    def seconds_left(self) -> float | None:
        """Until the last epoch; early stopping may end it sooner."""
        mean = self.epoch_seconds
        return None if mean is None else mean * max(0.0, self.epochs - self.epoch - self.batches)

    def seconds_gone(self, now: float) -> float:
        """Since it began."""
        return 0.0 if self.begun is None else (self.ended or now) - self.begun
