"""The tracker's process, given a run made of files and an MLflow that hangs on import."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from topoqa_trackers.supervisor import OVERDUE, Task

COMMAND = (sys.executable, "-P", "-m", "topoqa_trackers.child")
MLFLOW = """
import sys, time
sys.stdout.write("mlflow is imported\\n")
sys.stdout.flush()
time.sleep(600)
"""


def task_of(run, seconds: float) -> bytes:
    task = Task(
        tracker="mlflow",
        run_dir=run.root,
        folder=run.root,
        settings={"tracking_uri": "./mlruns", "experiment": "e"},
        grace_seconds=seconds,
    )
    return task.model_dump_json().encode()


@pytest.fixture
def start(tmp_path: Path, run) -> Iterator[Callable[[float], subprocess.Popen[bytes]]]:
    """Start a tracker of the run and wait until it hangs."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "mlflow.py").write_text(MLFLOW)
    path = [str(tmp_path / "broken"), os.environ.get("PYTHONPATH")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
    started = []

    def begin(seconds: float) -> subprocess.Popen[bytes]:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(COMMAND, env=environment, **pipes)
        started.append(process)
        process.stdin.write(task_of(run, seconds))
        process.stdin.close()
        process.stdin = None
        assert process.stdout.readline() == b"mlflow is imported\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("status", ["completed", "interrupted"])
def test_after_the_run_its_time_is_bounded(start, run, status: str) -> None:
    run.change(status=status)
    process = start(0.5)
    _, err = process.communicate()
    assert process.returncode == OVERDUE
    assert b"not finished after 0.5 s" in err
    assert b"Traceback" not in err


def test_ctrl_c_does_not_end_it_and_sigterm_bounds_its_time(start) -> None:
    process = start(0.5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2.5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == OVERDUE
    assert b"Traceback" not in err


def test_there_is_one_tracker_of_a_run(start, run) -> None:
    first = start(0)
    second = subprocess.run(COMMAND, input=task_of(run, 0), capture_output=True, check=False)
    assert second.returncode == 1
    assert b".mlflow.lock" in second.stderr
    assert first.poll() is None
