"""The tracker's process on runs written by hand, with an MLflow that hangs on import."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from topoqa_train.config.models import MLflowConfig
from topoqa_train.runs import status
from topoqa_train.tracking.child import _Formatter
from topoqa_train.tracking.supervisor import OVERDUE, TrackerTask

MLFLOW = """
import sys, time
sys.stdout.write("mlflow is asked for\\n")
sys.stdout.flush()
time.sleep(600)
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a tracker of a run and wait until it hangs."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "mlflow.py").write_text(MLFLOW)
    path = [str(tmp_path / "broken"), os.environ.get("PYTHONPATH")]
    started = []

    def begin(run: Path, seconds: float) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "topoqa_train.tracking.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        )
        started.append(process)
        config = MLflowConfig(enabled=True)
        task = TrackerTask(run_dir=run, folder=tmp_path, config=config, grace_seconds=seconds)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(task.model_dump_json())
        process.stdin.close()
        process.stdin = None
        assert process.stdout.readline() == "mlflow is asked for\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("word", ["completed", "interrupted"])
def test_after_the_run_its_time_is_short(
    start: Start, run_files: Callable[..., Path], word: str
) -> None:
    process = start(run_files("r", status=word), 0.5)
    _, err = process.communicate()
    assert process.returncode == OVERDUE
    assert "not done after 0.5 s: given up" in err
    assert "Traceback" not in err


def test_ctrl_c_does_not_touch_it_and_sigterm_gives_it_its_time(
    start: Start, run_files: Callable[..., Path]
) -> None:
    process = start(run_files("r", status="running", process=status.this_process()), 0.5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2.5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == OVERDUE
    assert "Traceback" not in err


def test_there_is_one_tracker_a_run(start: Start, run_files: Callable[..., Path]) -> None:
    run = run_files("r", status="running", process=status.this_process())
    first = start(run, 0)
    task = TrackerTask(run_dir=run, folder=run, config=MLflowConfig(), grace_seconds=0)
    second = subprocess.run(
        [sys.executable, "-P", "-m", "topoqa_train.tracking.child"],
        input=task.model_dump_json(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert ".mlflow.lock was held by another process for 2 s" in second.stderr
    assert first.poll() is None


def test_no_password_is_logged() -> None:
    record = logging.makeLogRecord({"msg": "no answer from http://me:word@host:80/x"})
    assert _Formatter("%(message)s").format(record) == "no answer from http://host:80/x"
