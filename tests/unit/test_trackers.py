"""What the core does for trackers: start those that are enabled, report their problems, no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from topoqa_train.config.models import MLflowConfig, PathsConfig, TrainingConfig
from topoqa_train.errors import (
    InterruptedRunError,
    MachineError,
    TerminatedRunError,
    TrainingError,
)
from topoqa_train.launch.environment import CHILD_VARIABLE
from topoqa_train.plugins import discovery
from topoqa_train.runs.events import Begun, Event, Notice
from topoqa_train.stopping import StopRequest
from topoqa_train.trackers import TrackedRun, Trackers

EVENT = Begun(job="j")


class StandIn:
    """A tracker that answers what a test says; an answer that is an exception is raised."""

    def __init__(self, *problems: object, closing: object = None) -> None:
        self.problems = list(problems)
        self.closing = closing
        self.run: TrackedRun | None = None
        self.closed: list[bool] = []

    def __call__(self, run: TrackedRun) -> StandIn:
        self.run = run
        return self

    def problem(self) -> object:
        return self._answer(self.problems.pop(0) if self.problems else None)

    def close(self, *, stopped: bool) -> object:
        self.closed.append(stopped)
        return self._answer(self.closing)

    @staticmethod
    def _answer(answer: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    """A run with the tracker `mlflow`, and the events that were emitted."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.stop = StopRequest()

    def trackers(self, *, enabled: bool = True) -> Trackers:
        config = TrainingConfig(
            paths=PathsConfig(dataset="demo"), mlflow=MLflowConfig(enabled=enabled)
        )
        return Trackers("j", config, self.heard.append, self.stop)

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.heard if isinstance(event, Notice)]


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Install what a test gives as the plugin `mlflow`, or nothing for None."""

    class Installed:
        def __init__(self, factory: object) -> None:
            self.load = lambda: factory

    def install(factory: object) -> None:
        found = {} if factory is None else {"mlflow": Installed(factory)}
        monkeypatch.setattr(discovery, "discover", lambda group: found)

    return install


def test_a_tracker_that_is_not_installed_is_reported_and_stops_nothing(
    bench: Bench, install, tmp_path: Path
) -> None:
    install(None)
    with bench.trackers() as started:
        started.start(tmp_path)
        started.emit(EVENT)
    (notice,) = bench.notices
    assert "mlflow.enabled" in notice
    assert "pip install topoqa-trackers" in notice
    assert EVENT in bench.heard


def test_without_tracking_nothing_is_started(bench: Bench, install, tmp_path: Path) -> None:
    tracker = StandIn()
    install(tracker)
    with bench.trackers(enabled=False) as started:
        started.start(tmp_path)
        started.emit(EVENT)
    assert bench.heard == [EVENT]
    assert (tracker.run, tracker.closed) == (None, [])


def test_what_a_tracker_is_given(
    bench: Bench, install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CHILD_VARIABLE, "1")
    tracker = StandIn()
    install(tracker)
    with bench.trackers() as started:
        started.start(tmp_path)
        started.emit(EVENT)
    assert bench.heard == [EVENT]
    assert tracker.closed == [False]
    assert tracker.run is not None
    assert tracker.run.run_dir == tmp_path
    assert tracker.run.settings == MLflowConfig(enabled=True).model_dump()
    assert CHILD_VARIABLE not in tracker.run.environment
    assert not tracker.run.stop_asked()
    bench.stop.interrupt()
    assert tracker.run.stop_asked()


@pytest.mark.parametrize("error", [InterruptedRunError("x"), TerminatedRunError("x")])
def test_a_tracker_is_closed_as_stopped_after_a_stopped_run(
    bench: Bench, install, tmp_path: Path, error: Exception
) -> None:
    tracker = StandIn()
    install(tracker)

    def run() -> None:
        with bench.trackers() as started:
            started.start(tmp_path)
            raise error

    with pytest.raises(type(error)):
        run()
    assert tracker.closed == [True]


@pytest.mark.parametrize(
    "tracker",
    [
        StandIn(None, "the problem", "another one", closing="the problem"),
        StandIn(closing="the problem"),
    ],
    ids=["while it runs", "at the end"],
)
def test_a_problem_is_reported_once(
    bench: Bench, install, tmp_path: Path, tracker: StandIn
) -> None:
    install(tracker)
    with bench.trackers() as started:
        started.start(tmp_path)
        for _ in range(4):
            started.emit(EVENT)
    assert bench.notices == ["the problem"]
    assert bench.heard.count(EVENT) == 4


def test_a_tracker_that_raises_costs_the_run_nothing(bench: Bench, install, tmp_path: Path) -> None:
    bug = ValueError("its bug")
    for factory in (StandIn(bug), StandIn(closing=bug), lambda run: 1 / 0, lambda run: None):
        install(factory)
        bench.heard.clear()
        with bench.trackers() as started:
            started.start(tmp_path)
            started.emit(EVENT)
        (notice,) = bench.notices
        assert notice.startswith("mlflow: the tracker ")
        assert EVENT in bench.heard


def test_an_error_of_the_run_is_not_hidden_by_its_tracker(
    bench: Bench, install, tmp_path: Path
) -> None:
    def full(event: Event) -> None:
        raise MachineError("no space left")

    install(StandIn(closing="the problem"))

    def run() -> None:
        with bench.trackers() as started:
            started.start(tmp_path)
            started._emit = full
            raise TrainingError("the weights became NaN")

    with pytest.raises(TrainingError, match="NaN"):
        run()
