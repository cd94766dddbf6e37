"""The follower on a run that is written by hand, with a backend in memory that can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from topoqa_trackers.follower import Follower, Session
from topoqa_trackers.record import Record
from topoqa_trackers.supervisor import Task


class Bench:
    """A run, a backend, and what happens to the run in each pause of the follower."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.calls: list[tuple[int, str, bool]] = []
        self.connections = 0
        self.pauses: list[float] = []
        self.events: list[Callable[[], object]] = []
        # Raised by the next calls of the backend, one each; None lets a call pass.
        self.errors: Iterator[Exception | None] = iter(())

    def follow(self) -> bool:
        task = Task(
            tracker="mlflow",
            run_dir=self.run.root,
            folder=self.run.root,
            settings={},
            grace_seconds=30,
        )
        record = Record(store="http://host", pid=12)
        session = Session(self.run.root)
        return Follower(session, task, record, self._connect, self._pause).follow()

    def update(self, run: Any, *, ended: bool) -> None:
        self._fail()
        self.calls.append((len(run.rows), run.status, ended))

    def _connect(self, task: Task, record: Record, save: Callable[[], None]) -> Bench:
        self._fail()
        self.connections += 1
        return self

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < 50, "it never ends"
        if self.events:
            self.events.pop(0)()

    def _fail(self) -> None:
        if (error := next(self.errors, None)) is not None:
            raise error


@pytest.fixture
def bench(run) -> Bench:
    return Bench(run)


def test_a_run_is_followed_to_its_end_and_only_changes_are_sent(bench: Bench) -> None:
    bench.events = [
        lambda: bench.run.change(progress={"epochs_done": 3}),
        lambda: None,
        lambda: bench.run.change(progress={"epochs_done": 4}),
        bench.run.complete,
    ]
    assert bench.follow()
    assert bench.calls == [
        *((2, "running", False), (3, "running", False), (4, "running", False)),
        (4, "completed", True),
    ]
    assert bench.connections == 1
    assert bench.pauses == [1.0] * 4
    assert bench.run.record == {
        **Record(store="http://host", epochs=4, state="done", pid=12).model_dump()
    }


def test_a_run_that_another_process_resumed_has_not_ended(bench: Bench) -> None:
    bench.events = [lambda: bench.run.change(process={**bench.run.process, "started": 1.0})]
    assert bench.follow()
    assert [ended for *_, ended in bench.calls] == [False, False]


def test_errors_are_recorded_and_the_next_try_connects_again(bench: Bench) -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    noted: list[str | None] = []
    note = lambda: noted.append(bench.run.record["problem"])  # noqa: E731
    bench.errors = iter(
        [refused, None, RuntimeError("no answer from http://me:word@host"), refused]
    )
    bench.events = [note, note, note, note, bench.run.complete]
    assert bench.follow()
    assert noted == [
        "mlflow: http://host: Connection refused",
        "mlflow: http://host: no answer from http://host",
        "mlflow: http://host: Connection refused",
        None,
    ]
    assert bench.pauses == [2, 4, 5.0, 1.0, 1.0]
    assert bench.calls == [(2, "running", False), (2, "completed", True)]


def test_a_store_that_stays_away_is_given_up_once_the_run_is_over(bench: Bench) -> None:
    bench.errors = (TimeoutError("timed out") for _ in count())
    bench.events = [*[lambda: None] * 6, bench.run.complete]
    assert not bench.follow()
    assert bench.pauses == [2, 4, *[5.0] * 5]
    assert bench.run.record["state"] == "given up"
    assert bench.run.record["problem"] == "mlflow: http://host: no answer in time"


def test_a_run_that_is_over_at_once_is_tried_three_times(bench: Bench) -> None:
    bench.run.complete()
    bench.errors = iter([OSError(), OSError()])
    assert bench.follow()
    assert bench.pauses == [1.0, 1.0]


def test_a_missing_library_is_not_tried_again(bench: Bench) -> None:
    bench.errors = iter([ModuleNotFoundError("No module named 'mlflow'", name="mlflow")])
    assert not bench.follow()
    assert bench.pauses == []
    assert bench.run.record["state"] == "given up"
    assert bench.run.record["problem"] == (
        "mlflow: No module named 'mlflow': pip install topoqa-trackers"
    )


def test_a_problem_is_one_line_and_the_log_has_no_password(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.run.complete()
    text = "x" * 1000 + "\nno answer from http://me:word@host"
    bench.errors = (RuntimeError(text) for _ in count())
    assert not bench.follow()
    problem = bench.run.record["problem"]
    assert len(problem) < 300
    assert "\n" not in problem
    log = capsys.readouterr().err
    assert log.count("Traceback") == 1, "the same problem is logged once"
    assert "no answer from http://host" in log
    assert "word" not in log
