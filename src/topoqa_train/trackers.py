"""Trackers: plugins that copy a run to an experiment tracker while it trains.

A tracker belongs to the section of the config that has its name, and runs only where that section
says `enabled: true`. It reads the files of the run; the training neither waits for it nor depends
on it, so nothing that goes wrong in a tracker changes the outcome of a run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from topoqa_train.config.models import TRACKERS, TrainingConfig
from topoqa_train.errors import (
    InterruptedRunError,
    TerminatedRunError,
    TopoqaTrainError,
)
from topoqa_train.launch import environment
from topoqa_train.plugins import discovery
from topoqa_train.runs.events import Event, Notice
from topoqa_train.stopping import StopRequest

log = logging.getLogger(__name__)
_NOT_INSTALLED = (
    "{name}.enabled is true, but no tracker '{name}' is installed, so the run is not tracked: "
    "pip install topoqa-trackers"
)


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is given: a run, its section of the config, an environment for processes.

    `settings` are the section's keys as JSON types. `stop_asked` returns whether the user has
    asked the training to stop.
    """

    run_dir: Path
    settings: dict[str, Any]
    environment: dict[str, str]
    stop_asked: Callable[[], bool]


class Tracker(Protocol):
    """Tracker of one run, as the training sees it; made by a call with a `TrackedRun`."""

    def problem(self) -> str | None:
        """Return what is wrong now, in one line. Called after each event: it must not wait."""
        ...

    def close(self, *, stopped: bool) -> str | None:
        """Let the tracker finish within a bounded time, and return what is wrong, in one line.

        After a run that was `stopped`, the user waits for the prompt: take a few seconds at most.
        """
        ...


class Trackers:
    """The trackers of one run: a context that closes them when it is left."""

    def __init__(
        self, job: str, config: TrainingConfig, emit: Callable[[Event], None], stop: StopRequest
    ) -> None:
        self.job = job
        self.config = config
        self.stop = stop
        self._emit = emit
        self._trackers: dict[str, Tracker] = {}
        self._reported: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        stopped = isinstance(exception[1], InterruptedRunError | TerminatedRunError)
        for name in self._trackers:
            # The outcome of the run is already written: a failed report must not replace it.
            with suppress(OSError, TopoqaTrainError):
                self._ask(name, lambda tracker: tracker.close(stopped=stopped))

    def start(self, run_dir: Path) -> None:
        """Start every enabled tracker; one that cannot start is reported."""
        for name in _enabled(self.config):
            settings = getattr(self.config, name).model_dump(mode="json")
            run = TrackedRun(run_dir, settings, environment.for_tracker(), lambda: self.stop.asked)
            plugin = discovery.discover(discovery.TRACKERS).get(name)
            if plugin is None:
                # A missing tracker is a warning: a config of another machine must still train.
                self._report(name, _NOT_INSTALLED.format(name=name))
                continue
            try:
                self._trackers[name] = plugin.load()(run)
            except Exception as error:  # noqa: BLE001 - third-party code can raise anything
                self._report(name, f"{name}: the tracker could not start: {error}")

    def emit(self, event: Event) -> None:
        """Pass `event` on, and report the first problem of each tracker."""
        for name in self._trackers.keys() - self._reported:
            self._ask(name, lambda tracker: tracker.problem())
        self._emit(event)

    def _ask(self, name: str, question: Callable[[Tracker], str | None]) -> None:
        try:
            problem = question(self._trackers[name])
        except Exception as error:  # noqa: BLE001
            problem = f"{name}: the tracker failed: {error}"
        if problem is not None:
            self._report(name, problem)

    def _report(self, name: str, problem: str) -> None:
        log.warning("%s", problem)
        if name not in self._reported:
            self._reported.add(name)
            self._emit(Notice(job=self.job, text=problem))


def _enabled(config: TrainingConfig) -> list[str]:
    return [name for name in sorted(TRACKERS) if getattr(config, name).enabled]
