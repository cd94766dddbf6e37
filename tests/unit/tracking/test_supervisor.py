"""The training's end of the tracker, with processes that stand in for the one that loads MLflow."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from topoqa_train.clock import SystemClock
from topoqa_train.config.models import MLflowConfig
from topoqa_train.errors import InterruptedRunError, MachineError, TerminatedRunError, TrainingError
from topoqa_train.runs.events import EpochEnded, Event, Notice
from topoqa_train.runs.paths import RunPaths
from topoqa_train.stopping import StopRequest
from topoqa_train.tracking import supervisor
from topoqa_train.tracking.supervisor import Tracking

# What stands in does what `act` says; `record` writes mlflow.json as the tracker would.
STAND_IN = """
import json, os, signal, sys, time
order = json.loads(sys.stdin.buffer.read())
def record(epochs=0, problem=None, state="following"):
    path = os.path.join(order["run_dir"], "mlflow.json")
    keys = dict.fromkeys(("tracking_uri", "folder", "store", "experiment"), "x")
    keys |= {"epochs": epochs, "problem": problem, "state": state, "pid": os.getpid()}
    with open(path + ".new", "w") as file:
        json.dump(keys, file)
    os.replace(path + ".new", path)
"""
EPOCH = EpochEnded(
    job="j", epoch=1, num_epochs=2, seconds=1.0, metrics={}, ranking_metric="val_loss",
    best_value=None, best_epoch=None,
)  # fmt: skip
PROBLEM = "mlflow: http://host: Connection refused"


class Bench:
    """A run with a tracker, and what was heard of it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = RunPaths(root)
        self.monkeypatch = monkeypatch
        self.heard: list[Event] = []
        self.stop = StopRequest()
        self.process: psutil.Process | None = None

    def tracking(self, act: str, *, enabled: bool = True, grace: int | str = 30) -> Tracking:
        command = (sys.executable, "-S", "-c", f"{STAND_IN}\n{act}")
        self.monkeypatch.setattr(supervisor, "_COMMAND", command)
        self.monkeypatch.setenv(supervisor.GRACE_VARIABLE, str(grace))
        config = MLflowConfig(enabled=enabled, tags={"password": "word"})
        clock = SystemClock()
        return Tracking("j", config, self.paths, self.heard.append, self.stop, clock)

    def until(self, condition: Callable[[], bool], tracking: Tracking) -> None:
        for _ in range(2000):
            tracking.emit(EPOCH)
            if condition():
                return
            time.sleep(0.01)
        raise AssertionError("nothing came of it")

    def until_it_runs(self) -> psutil.Process:
        while not self.paths.tracking.exists():
            time.sleep(0.01)
        return psutil.Process(self.pid)

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.heard if isinstance(event, Notice)]

    @property
    def pid(self) -> int:
        return int(json.loads(self.paths.tracking.read_text())["pid"])


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_without_tracking_nothing_is_started_and_every_event_passes(bench: Bench) -> None:
    with bench.tracking("", enabled=False) as tracking:
        tracking.begin()
        tracking.emit(EPOCH)
    assert bench.heard == [EPOCH]
    assert list(bench.paths.root.iterdir()) == []


def test_a_tracker_that_is_done_leaves_no_word(bench: Bench) -> None:
    with bench.tracking("record(2)") as tracking:
        tracking.begin()
        tracking.emit(EPOCH)
    assert bench.heard == [EPOCH]


def test_it_is_told_its_order_and_stands_apart(bench: Bench) -> None:
    act = """
record()
print(json.dumps(order), os.getsid(0) == os.getpid(), sys.argv[1:], flush=True)
print("to the log", file=sys.stderr)
"""
    with bench.tracking(act, grace=7) as tracking:
        tracking.begin()
    text, *rest = bench.paths.tracking_log.read_text().splitlines()
    order, _, more = text.rpartition("}")
    assert more.strip() == "True []"
    assert json.loads(order + "}") == {
        "run_dir": str(bench.paths.root),
        "folder": str(Path.cwd()),
        "config": MLflowConfig(enabled=True, tags={"password": "word"}).model_dump(),
        "grace_seconds": 7.0,
    }
    assert rest == ["to the log"]


@pytest.mark.parametrize(
    ("state", "more"),
    [("following", "; it is tried again, the training goes on"), ("given up", "")],
)
def test_trouble_is_told_once_and_while_the_run_goes_on(
    bench: Bench, state: str, more: str
) -> None:
    with bench.tracking(f"record(0, {PROBLEM!r}, {state!r})") as tracking:
        tracking.begin()
        bench.until(lambda: bool(bench.notices), tracking)
        tracking.emit(EPOCH)
    assert bench.notices == [PROBLEM + more]


def test_trouble_that_shows_at_the_end_is_told_then(bench: Bench) -> None:
    with bench.tracking(f"record(0, {PROBLEM!r})\nsys.exit(4)") as tracking:
        tracking.begin()
    assert bench.notices == [PROBLEM]


@pytest.mark.parametrize(
    ("act", "how"),
    [("sys.exit(1)", "status 1"), ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV")],
)
@pytest.mark.parametrize("when", ["at once", "at the end"])
def test_a_crash_is_told_once(bench: Bench, act: str, how: str, when: str) -> None:
    with bench.tracking(act) as tracking:
        tracking.begin()
        if when == "at once":
            bench.until(lambda: bool(bench.notices), tracking)
    assert bench.notices == [f"mlflow: the tracker ended by itself ({how}); mlflow.log says more"]


@pytest.mark.parametrize(
    ("problem", "said"),
    [(None, "mlflow: the tracker was not done"), (PROBLEM, PROBLEM)],
)
def test_one_that_hangs_is_ended_after_the_grace_time(
    bench: Bench, problem: str | None, said: str
) -> None:
    # It must not be told before the end: the record comes when nobody looks any more.
    act = f"record(3, {problem!r})\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(600)"
    with bench.tracking(act, grace=2) as tracking:
        tracking.begin()
        process = bench.until_it_runs()
    assert bench.notices == [f"{said}; given up 2 s after the run, epochs sent: 3"]
    assert not process.is_running()


def test_one_whose_own_time_ran_out_says_the_same(bench: Bench) -> None:
    with bench.tracking(f"record(3)\nsys.exit({supervisor.OVERDUE})") as tracking:
        tracking.begin()
    (notice,) = bench.notices
    assert notice.endswith("given up 30 s after the run, epochs sent: 3")


@pytest.mark.parametrize("error", [InterruptedRunError("x"), TerminatedRunError("x")])
def test_a_stopped_run_leaves_it_to_end_itself(
    bench: Bench, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_STOPPED_SECONDS", 0.2)

    def run() -> None:
        with bench.tracking("record()\ntime.sleep(600)") as tracking:
            tracking.begin()
            bench.until_it_runs()
            raise error

    with pytest.raises(type(error)):
        run()
    process = psutil.Process(bench.pid)
    assert process.is_running()
    process.kill()
    assert bench.notices == []


def test_who_is_asked_to_stop_while_it_waits_waits_no_longer(bench: Bench) -> None:
    with bench.tracking("record()\ntime.sleep(600)", grace=86_400) as tracking:
        tracking.begin()
        process = bench.until_it_runs()
        bench.stop.interrupt()
    assert process.is_running()
    process.kill()


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "86401", "9" * 5000, "²"])
def test_a_time_that_is_none_costs_the_tracking_not_the_run(bench: Bench, text: str) -> None:
    with bench.tracking("record()", grace=text) as tracking:
        tracking.begin()
        tracking.emit(EPOCH)
    (notice,) = bench.notices
    assert notice.startswith(f"mlflow: no tracker could be started: {supervisor.GRACE_VARIABLE}: '")
    assert EPOCH in bench.heard


def test_a_tracker_that_cannot_start_costs_the_tracking_not_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bench.tracking("") as tracking:
        monkeypatch.setattr(supervisor, "_COMMAND", (str(bench.paths.root / "none"),))
        tracking.begin()
        tracking.emit(EPOCH)
    assert "No such file or directory" in bench.notices[0]


def test_the_record_of_an_earlier_tracker_is_not_taken_for_this_ones(bench: Bench) -> None:
    keys = dict.fromkeys(("tracking_uri", "folder", "store", "experiment"), "x")
    bench.paths.tracking.write_text(json.dumps({**keys, "problem": "an old one", "pid": 1}))
    with bench.tracking("") as tracking:
        tracking.begin()
    assert bench.notices == []


def test_what_went_wrong_in_the_run_is_not_hidden_by_its_tracker(bench: Bench) -> None:
    def full(event: Event) -> None:
        raise MachineError("no room left")

    def run() -> None:
        with bench.tracking("sys.exit(1)") as tracking:
            tracking.begin()
            tracking._emit = full
            raise TrainingError("the weights became NaN")

    with pytest.raises(TrainingError, match="NaN"):
        run()
