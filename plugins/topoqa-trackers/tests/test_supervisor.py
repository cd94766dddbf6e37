"""The training's side of a tracker, with processes that stand in for the one that loads MLflow."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from topoqa_trackers import supervisor
from topoqa_trackers.supervisor import TrackerProcess
from topoqa_train.api import TrackedRun

VARIABLE = "TOPOQA_TRAIN_MLFLOW_SECONDS"
# The stand-in does what a test says; `record` writes mlflow.json as a tracker does.
STAND_IN = """
import json, os, signal, sys, time
task = json.loads(sys.stdin.buffer.read())
def record(epochs=0, problem=None, state="following"):
    path = os.path.join(task["run_dir"], "mlflow.json")
    keys = {"epochs": epochs, "problem": problem, "state": state, "pid": os.getpid()}
    with open(path + ".new", "w") as file:
        json.dump(keys, file)
    os.replace(path + ".new", path)
"""
PROBLEM = "mlflow: http://host: Connection refused"


class Bench:
    """A run and the way to start a tracker of it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.monkeypatch = monkeypatch
        self.stop = False

    def start(self, script: str, *, grace: int | str = 30) -> TrackerProcess:
        command = (sys.executable, "-S", "-c", f"{STAND_IN}\n{script}")
        self.monkeypatch.setattr(supervisor, "_COMMAND", command)
        self.monkeypatch.setenv(VARIABLE, str(grace))
        settings = {"enabled": True, "tags": {"password": "word"}}
        environment = {**os.environ, "ONLY_HERE": "yes"}
        run = TrackedRun(self.root, settings, environment, lambda: self.stop)
        return supervisor.mlflow(run)

    def process(self) -> psutil.Process:
        """The tracker's process, once it has written its record."""
        record = self.root / "mlflow.json"
        wait_for(record.exists)
        return psutil.Process(json.loads(record.read_text())["pid"])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def wait_for(condition: Callable[[], object]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def test_a_tracker_that_finishes_reports_nothing(bench: Bench) -> None:
    tracker = bench.start("record(2)")
    assert tracker.close(stopped=False) is None
    assert tracker.problem() is None


def test_what_the_process_is_given(bench: Bench) -> None:
    script = """
print(json.dumps(task))
print(os.getsid(0) == os.getpid(), sys.argv[1:], os.environ["ONLY_HERE"], flush=True)
print("to the log", file=sys.stderr)
"""
    assert bench.start(script, grace=7).close(stopped=False) is None
    task, *rest = (bench.root / "mlflow.log").read_text().splitlines()
    assert json.loads(task) == {
        "tracker": "mlflow",
        "run_dir": str(bench.root),
        "folder": str(Path.cwd()),
        "settings": {"enabled": True, "tags": {"password": "word"}},
        "grace_seconds": 7.0,
    }
    # A session of its own, and no settings on the command line.
    assert rest == ["True [] yes", "to the log"]


@pytest.mark.parametrize(
    ("state", "more"), [("following", "; retrying, the training continues"), ("given up", "")]
)
def test_a_problem_is_reported_while_the_run_continues(bench: Bench, state: str, more: str) -> None:
    tracker = bench.start(f"record(0, {PROBLEM!r}, {state!r})")
    wait_for(tracker.problem)
    assert tracker.problem() == PROBLEM + more
    assert tracker.close(stopped=False) == PROBLEM


@pytest.mark.parametrize(
    ("script", "how"),
    [("sys.exit(1)", "status 1"), ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV")],
)
def test_a_crash_is_reported(bench: Bench, script: str, how: str) -> None:
    tracker = bench.start(script)
    wait_for(tracker.problem)
    assert tracker.problem() == f"mlflow: the tracker ended ({how}); see mlflow.log"
    assert tracker.close(stopped=False) == tracker.problem()


@pytest.mark.parametrize(
    ("problem", "start"), [(None, "mlflow: the tracker did not finish"), (PROBLEM, PROBLEM)]
)
def test_one_that_hangs_is_killed_after_its_time(
    bench: Bench, problem: str | None, start: str
) -> None:
    script = f"record(3, {problem!r})\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(600)"
    tracker = bench.start(script, grace=2)
    process = bench.process()
    assert tracker.close(stopped=False) == f"{start}; gave up 2 s after the run, epochs sent: 3"
    assert not process.is_running()


def test_one_that_ran_out_of_time_by_itself_reports_the_same(bench: Bench) -> None:
    problem = bench.start(f"record(3)\nsys.exit({supervisor.OVERDUE})").close(stopped=False)
    assert problem is not None
    assert problem.endswith("gave up 30 s after the run, epochs sent: 3")


@pytest.mark.parametrize("when", ["before", "while it waits"])
def test_after_a_stop_nobody_waits_and_the_tracker_lives(
    bench: Bench, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_STOPPED_SECONDS", 0.2)
    tracker = bench.start("record()\ntime.sleep(600)", grace=86_400)
    process = bench.process()
    bench.stop = when == "while it waits"
    assert tracker.close(stopped=when == "before") is None
    assert process.is_running()
    process.kill()


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "86401", "9" * 5000, "²"])
def test_a_time_that_is_not_one_is_an_error(bench: Bench, text: str) -> None:
    with pytest.raises(ValueError, match=f"{VARIABLE}: '"):
        bench.start("record()", grace=text)


def test_a_tracker_that_cannot_start_is_an_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = bench.start("")
    monkeypatch.setattr(supervisor, "_COMMAND", (str(bench.root / "none"),))
    with pytest.raises(FileNotFoundError):
        TrackerProcess("mlflow", tracker.run)


def test_the_record_of_an_earlier_tracker_does_not_count(bench: Bench) -> None:
    (bench.root / "mlflow.json").write_text(json.dumps({"problem": "an old one", "pid": 1}))
    tracker = bench.start("")
    assert tracker.problem() is None
    assert tracker.close(stopped=False) is None
