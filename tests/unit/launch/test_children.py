"""The pool's own part, with a child that stands in for the one that needs seconds to load torch.

What the real child does is tested by the contract suite of launchers and end to end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from topoqa_train.config.models import PathsConfig, TrainingConfig
from topoqa_train.errors import InterruptedRunError, TerminatedRunError
from topoqa_train.launch import children
from topoqa_train.launch.children import ChildLauncher
from topoqa_train.launch.job import Check, DataFiles, Task
from topoqa_train.runs.events import Begun, Event, Notice, RunCreated, RunEnded

# Does what the first word of a task's name says.
FAKE = """
import json, os, signal, sys, time

def emit(kind, job, **fields):
    sys.stdout.write(json.dumps({"kind": kind, "job": job, **fields}) + "\\n")
    sys.stdout.flush()

def end(job, status="completed"):
    error = None if status == "completed" else {"exit_status": 1, "message": "it " + status}
    emit("ended", job, status=status, run_dir="/runs/" + job, error=error)

def stopped(number, frame):
    end(job, "interrupted")
    os._exit(0)

for line in sys.stdin:
    job = json.loads(line)["name"]
    act = job.split("-")[0]
    emit("created", job, run_dir="/runs/" + job)
    emit("notice", job, text=str(os.getpid()))
    if act == "fail":
        end(job, "failed")
    elif act == "die":
        print("first line\\nlast words", file=sys.stderr, flush=True)
        os._exit(3)
    elif act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif act == "wait":
        signal.signal(signal.SIGINT, stopped)
        signal.signal(signal.SIGTERM, stopped)
        emit("notice", job, text="waiting")
        time.sleep(60)
    elif act == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        emit("notice", job, text="waiting")
        time.sleep(60)
    elif act == "noise":
        sys.stdout.write("Epoch 3: 100%\\n{\\"kind\\": \\"surprise\\"}\\n\\n")
        end(job)
    elif act == "slow":
        time.sleep(0.3)
        end(job)
    elif act == "leave":
        end(job)
        os._exit(0)
    else:
        end(job)
"""


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    return TrainingConfig(paths=PathsConfig(dataset="none"))


@pytest.fixture
def tasks(config: TrainingConfig, tmp_path: Path) -> Callable[..., list[Task]]:
    files = DataFiles(graph=tmp_path, train_labels=tmp_path, val_labels=tmp_path)
    return lambda *names: [Check(name=name, config=config, data=files) for name in names]


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], ChildLauncher]:
    """Return the launcher with the fake child."""
    (tmp_path / "fake_child.py").write_text(FAKE)
    command = (sys.executable, "-S", "-E", str(tmp_path / "fake_child.py"))
    monkeypatch.setattr(children.ChildLauncher, "command", command)
    return ChildLauncher


class Heard(list[Event]):
    """Events, and what is to be done at the first of a kind."""

    def __init__(self, at: Callable[[Event], bool] | None = None, do: Any = None) -> None:
        super().__init__()
        self.at, self.do = at, do

    def __call__(self, event: Event) -> None:
        self.append(event)
        if self.at is not None and self.at(event):
            self.do()

    def pids(self) -> set[int]:
        texts = [event.text for event in self if isinstance(event, Notice)]
        return {int(text) for text in texts if text.isdecimal()}


def waiting(event: Event) -> bool:
    return isinstance(event, Notice) and event.text == "waiting"


def ends(ended: list[RunEnded]) -> list[tuple[str, str]]:
    return [(end.job, end.status) for end in ended]


def test_one_warm_child_does_one_task_after_another(pool: Any, tasks: Any) -> None:
    heard = Heard()
    with pool(1) as launcher:
        ended = launcher.run(tasks("a", "b"), heard, keep_going=False)
        ended += launcher.run(tasks("c"), heard, keep_going=False)
    assert ends(ended) == [("a", "completed"), ("b", "completed"), ("c", "completed")]
    assert len(heard.pids()) == 1
    kinds = [(type(event), event.job) for event in heard]
    assert kinds == [(kind, job) for job in "abc" for kind in (Begun, RunCreated, Notice, RunEnded)]
    assert not any(psutil.pid_exists(pid) for pid in heard.pids())


def test_tasks_at_once_and_the_order_of_outcomes(pool: Any, tasks: Any) -> None:
    heard = Heard()
    with pool(2) as launcher:
        ended = launcher.run(tasks("slow-a", "b", "c", "d"), heard, keep_going=False)
    assert [end.job for end in ended] == ["slow-a", "b", "c", "d"]
    assert len(heard.pids()) == 2
    running = most = 0
    for event in heard:
        running += isinstance(event, Begun) - isinstance(event, RunEnded)
        most = max(most, running)
    assert most == 2


def test_after_a_failure_no_task_is_started(pool: Any, tasks: Any) -> None:
    with pool(1) as launcher:
        ended = launcher.run(tasks("a", "fail", "b"), Heard(), keep_going=False)
    assert ends(ended) == [("a", "completed"), ("fail", "failed")]


def test_unless_the_others_shall_continue(pool: Any, tasks: Any) -> None:
    with pool(1) as launcher:
        ended = launcher.run(tasks("fail", "die", "b"), Heard(), keep_going=True)
    assert ends(ended) == [("fail", "failed"), ("die", "failed"), ("b", "completed")]


def test_noise_on_the_pipe_is_ignored(pool: Any, tasks: Any) -> None:
    with pool(1) as launcher:
        assert ends(launcher.run(tasks("noise"), Heard(), keep_going=False)) == [
            ("noise", "completed")
        ]


class TestDeath:
    def test_by_exit_is_a_failure_with_its_last_output(self, pool: Any, tasks: Any) -> None:
        heard = Heard()
        with pool(1) as launcher:
            (end,) = launcher.run(tasks("die"), heard, keep_going=False)
        assert (end.status, end.run_dir) == ("failed", "/runs/die")
        assert end.error is not None
        assert "status 3" in end.error["message"]
        assert end.error["hint"] is None  # nothing says that memory was short
        assert end.error["details"][-1] == "last words"
        assert end.error["exit_status"] == 1
        assert heard[-1] == end

    def test_by_a_signal_names_it_with_a_hint(self, pool: Any, tasks: Any) -> None:
        with pool(1) as launcher:
            (end,) = launcher.run(tasks("kill"), Heard(), keep_going=False)
        assert end.error is not None
        assert "SIGKILL" in end.error["message"]
        assert "--jobs 1" in end.error["hint"]

    def test_after_it_a_new_child_takes_over(self, pool: Any, tasks: Any) -> None:
        heard = Heard()
        with pool(1) as launcher:
            ended = launcher.run(tasks("kill", "a"), heard, keep_going=True)
        assert ends(ended) == [("kill", "failed"), ("a", "completed")]
        assert len(heard.pids()) == 2

    def test_of_an_idle_child_is_no_failure(self, pool: Any, tasks: Any) -> None:
        heard = Heard()
        with pool(2) as launcher:
            # The first dies while the second is at work, and is wanted again afterwards.
            ended = launcher.run(tasks("leave", "slow-a", "slow-b"), heard, keep_going=False)
            ended += launcher.run(tasks("c", "d"), heard, keep_going=False)
        assert [end.status for end in ended] == ["completed"] * 5

    def test_its_pipes_are_closed(self, pool: Any, tasks: Any) -> None:
        me = psutil.Process()
        with pool(1) as launcher:
            launcher.run(tasks("kill"), Heard(), keep_going=True)
            before = me.num_fds()
            for _ in range(3):
                launcher.run(tasks("kill"), Heard(), keep_going=True)
            assert me.num_fds() == before


class TestSignals:
    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (signal.SIGINT, InterruptedRunError),
            (signal.SIGTERM, TerminatedRunError),
            (signal.SIGHUP, TerminatedRunError),
        ],
    )
    def test_the_children_stop_first_and_no_task_is_started(
        self, pool: Any, tasks: Any, number: int, kind: type[Exception]
    ) -> None:
        heard = Heard(waiting, lambda: os.kill(os.getpid(), number))
        with pool(1) as launcher, pytest.raises(kind):
            launcher.run(tasks("wait", "b"), heard, keep_going=True)
        (end,) = [event for event in heard if isinstance(event, RunEnded)]
        assert (end.job, end.status) == ("wait", "interrupted")
        assert not any(psutil.pid_exists(pid) for pid in heard.pids())

    def test_a_second_signal_kills_a_child_that_ignores_the_first(
        self, pool: Any, tasks: Any
    ) -> None:
        def twice() -> None:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)

        heard = Heard(waiting, twice)
        with pool(1) as launcher, pytest.raises(InterruptedRunError):
            launcher.run(tasks("deaf"), heard, keep_going=False)
        (end,) = [event for event in heard if isinstance(event, RunEnded)]
        assert end.status == "interrupted"
        assert end.error is not None
        assert end.error["exit_status"] == 130


def test_an_error_in_on_event_leaves_no_child_behind(
    pool: Any, tasks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_END_SECONDS", 0.2)

    def fail() -> None:
        raise KeyError("the screen broke")

    heard = Heard(waiting, fail)
    with pytest.raises(KeyError), pool(1) as launcher:
        launcher.run(tasks("deaf"), heard, keep_going=False)
    assert heard.pids()
    assert not any(psutil.pid_exists(pid) for pid in heard.pids())
