"""State of one job as a screen shows it, updated by the job's events."""

from __future__ import annotations

import statistics
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

State = Literal[
    "waiting", "starting", "loading", "training", "done", "done before", "failed", "stopped"
]
_FINAL: dict[str, State] = {"completed": "done", "failed": "failed", "interrupted": "stopped"}
# The pace of a run changes with the load of the machine: only recent epochs predict the next ones.
_RECENT = 10


@dataclass
class JobView:
    """One job: its state, best checkpoint and time. `batches` and `loaded` run from 0 to 1."""

    name: str
    phase: str
    epochs: int = 0
    state: State = "waiting"
    epoch: int = 0
    batches: float = 0.0
    loaded: float = 0.0
    started: float | None = None
    ended: float | None = None
    run_dir: str | None = None
    best: float | None = None
    best_epoch: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def apply(self, event: Event, now: float) -> None:
        """Update the state by an event of this job."""
        if self.started is None:
            self.started = now
        match event:
            case Begun():
                self.state = "starting"
            case RunCreated():
                self.state, self.run_dir = "loading", event.run_dir
            case GraphsRead():
                self.state, self.loaded = "loading", event.graphs_read / max(1, event.graphs)
            case DataReady():
                self.state = "training"
            case StepsDone():
                self.batches = event.batches_done / event.batches
            case EpochEnded():
                self._apply_epoch(event)
            case RunEnded():
                self.state, self.ended = _FINAL[event.status], now
                self.run_dir = event.run_dir or self.run_dir

    def _apply_epoch(self, event: EpochEnded) -> None:
        self.state, self.epoch, self.epochs = "training", event.epoch, event.num_epochs
        self.batches = 0.0
        self.metrics = event.metrics
        self.best, self.best_epoch = event.best_value, event.best_epoch
        self.recent.append(event.seconds)

    @property
    def running(self) -> bool:
        """Whether the job has a process."""
        return self.state in ("starting", "loading", "training")

    @property
    def finished(self) -> bool:
        """Whether the state is final."""
        return self.state in ("done", "done before", "failed", "stopped")

    @property
    def best_text(self) -> str:
        """The best value of the ranking metric and its epoch: `-0.671 @ 104`."""
        return "" if self.best is None else f"{self.best:.3f} @ {self.best_epoch}"

    @property
    def fraction(self) -> float:
        """Share of the epochs that are done, 0 to 1."""
        return min(1.0, (self.epoch + self.batches) / self.epochs) if self.epochs else 0.0

    @property
    def epoch_seconds(self) -> float | None:
        """Mean duration of the last epochs."""
        return statistics.fmean(self.recent) if self.recent else None

    @property
    def seconds_left(self) -> float | None:
        """Time until the last epoch; early stopping may end the run sooner."""
        mean = self.epoch_seconds
        return None if mean is None else mean * max(0.0, self.epochs - self.epoch - self.batches)

    def elapsed(self, now: float) -> float:
        """Return the seconds since the job's first event, up to its end."""
        return 0.0 if self.started is None else (self.ended or now) - self.started
