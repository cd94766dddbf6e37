"""The training's side of a tracker: start its process, read its record, bound its time.

The training neither sends anything to the process nor waits for it before the run is over.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from topoqa_trackers.record import Record, read_record
from topoqa_train.api import TrackedRun

DEFAULT_GRACE_SECONDS = 30.0
# The exit status of a tracker that ran out of time.
OVERDUE = 3
# After a stop the user waits for the prompt; the tracker ends by itself.
_STOPPED_SECONDS = 3.0
_POLL_SECONDS = 0.1
_DAY = 86_400
_COMMAND = (sys.executable, "-P", "-m", "topoqa_trackers.child")


class Task(BaseModel):
    """What a tracker's process is started with; relative paths in `settings` are from `folder`."""

    tracker: str
    run_dir: Path
    folder: Path
    settings: dict[str, Any]
    grace_seconds: float


def mlflow(run: TrackedRun) -> TrackerProcess:
    """Send metrics, parameters, tags and files of a run to MLflow."""
    return TrackerProcess("mlflow", run)


class TrackerProcess:
    """A running tracker; see `topoqa_train.api.Tracker`."""

    def __init__(self, name: str, run: TrackedRun) -> None:
        """Start the process.

        Raises:
            OSError: it cannot be started.
            ValueError: the variable for its time does not hold a number of seconds.
        """
        self.name = name
        self.run = run
        self.grace_seconds = _grace_seconds(f"TOPOQA_TRAIN_{name.upper()}_SECONDS")
        self._process = self._start()

    def problem(self) -> str | None:
        """Return what is wrong now, in one line, without waiting."""
        record = self._record()
        if record.problem is not None and record.state == "following":
            return f"{record.problem}; retrying, the training continues"
        return record.problem or self._end_of_process()

    def close(self, *, stopped: bool) -> str | None:
        """Wait for the process to finish within its time, else kill it.

        After a stopped run it is not killed: it limits its own time, and the user need not wait.
        """
        if self._wait(stopped=stopped):
            return self._record().problem or self._end_of_process()
        if stopped or self.run.stop_asked():
            return None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # A file system that hangs can hold even a killed process.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        return self._overdue()

    def _start(self) -> subprocess.Popen[bytes]:
        task = Task(
            tracker=self.name,
            run_dir=self.run.run_dir,
            folder=Path.cwd(),
            settings=self.run.settings,
            grace_seconds=self.grace_seconds,
        )
        log = self.run.run_dir / f"{self.name}.log"
        # The task may hold secrets, which a command line would show; a file never blocks us.
        with tempfile.TemporaryFile() as order, log.open("ab") as output:
            order.write(task.model_dump_json().encode())
            order.seek(0)
            return subprocess.Popen(  # noqa: S603 - fixed arguments
                _COMMAND,
                stdin=order,
                stdout=output,
                stderr=output,
                env=self.run.environment,
                # Ctrl-C and the end of the training's process group do not concern it.
                start_new_session=True,
            )

    def _wait(self, *, stopped: bool) -> bool:
        """Return whether the process ended in its time, or before the user asked for a stop."""
        limit = min(self.grace_seconds, _STOPPED_SECONDS) if stopped else self.grace_seconds
        until = time.monotonic() + limit
        while time.monotonic() < until and (stopped or not self.run.stop_asked()):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_SECONDS)
                return True
        return self._process.poll() is not None

    def _end_of_process(self) -> str | None:
        code = self._process.poll()
        if code in (None, 0):
            return None
        if code == OVERDUE:
            return self._overdue()
        how = f"status {code}" if code > 0 else signal.Signals(-code).name
        return f"{self.name}: the tracker ended ({how}); see {self.name}.log"

    def _overdue(self) -> str:
        record = self._record()
        trouble = record.problem or f"{self.name}: the tracker did not finish"
        seconds, epochs = self.grace_seconds, record.epochs
        return f"{trouble}; gave up {seconds:g} s after the run, epochs sent: {epochs}"

    def _record(self) -> Record:
        """Return what the process has recorded; a record of an earlier process counts as none."""
        record = read_record(self.run.run_dir / f"{self.name}.json")
        return record if record.pid == self._process.pid else Record()


def _grace_seconds(variable: str) -> float:
    """Return how long a tracker may run after its run has ended; raises `ValueError`."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return DEFAULT_GRACE_SECONDS
    if not (text.isascii() and text.isdecimal() and int(text[:6]) <= _DAY):
        raise ValueError(f"{variable}: '{text}' is not a number of seconds up to a day")
    return float(text)
