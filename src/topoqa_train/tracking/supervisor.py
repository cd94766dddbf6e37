"""The tracker: a process beside a training that sends the files of its run to MLflow.

Here is the training's end of it: start it, see whether it is well, give it a while at the end. It
is told nothing and asked nothing; what it does is in `launch.tracker_child`.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel, ConfigDict

from topoqa_train.clock import Clock
from topoqa_train.config.models import MLflowConfig
from topoqa_train.errors import InterruptedRunError, TerminatedRunError, TopoqaTrainError
from topoqa_train.launch.environment import for_tracker
from topoqa_train.runs.events import Event, Notice
from topoqa_train.runs.paths import RunPaths
from topoqa_train.stopping import StopRequest
from topoqa_train.tracking.record import TrackingRecord
from topoqa_train.tracking.record import read as read_record

GRACE_VARIABLE = "TOPOQA_TRAIN_MLFLOW_SECONDS"
DEFAULT_GRACE_SECONDS = 30.0
# Whoever stops a run wants the prompt back; the tracker goes on without us.
_STOPPED_SECONDS = 3.0
# With this status a tracker says that its time ran out.
OVERDUE = 3
_POLL_SECONDS = 0.1
_DAY = 86_400
_TRIED_AGAIN = "; it is tried again, the training goes on"
_COMMAND = (sys.executable, "-P", "-m", "topoqa_train.tracking.child")

log = logging.getLogger(__name__)


class TrackerTask(BaseModel):
    """What the tracker is to follow; a relative `tracking_uri` is taken from `folder`."""

    model_config = ConfigDict(frozen=True)

    run_dir: Path
    folder: Path
    config: MLflowConfig
    grace_seconds: float


class Tracking:
    """A context around a run: on leaving it, the tracker is done, ended, or left to end itself."""

    def __init__(
        self,
        job: str,
        config: MLflowConfig,
        paths: RunPaths,
        emit: Callable[[Event], None],
        stop: StopRequest,
        clock: Clock,
    ) -> None:
        self.job = job
        self.config = config
        self.paths = paths
        self.stop = stop
        self.clock = clock
        self.grace_seconds = DEFAULT_GRACE_SECONDS
        self._emit = emit
        self._process: subprocess.Popen[bytes] | None = None
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None:
            return
        stopped = isinstance(error, InterruptedRunError | TerminatedRunError)
        over = self._wait(min(self.grace_seconds, _STOPPED_SECONDS) if stopped else None)
        # The run has had its last word; nothing that happens to its tracker may change that.
        with suppress(OSError, TopoqaTrainError):
            if over:
                self._look(at_end=True)
            elif not (stopped or self.stop.asked):
                _end(self._process)
                self._tell(self._overdue())

    def begin(self) -> None:
        """Start the tracker if the config wants one; never raises, what is wrong is told."""
        if not self.config.enabled:
            return
        try:
            self.grace_seconds = _grace_seconds()
            self._process = self._start()
        except (OSError, ValueError) as error:
            self._tell(f"mlflow: no tracker could be started: {error}")

    def emit(self, event: Event) -> None:
        """Pass an event on, and tell what is the matter with the tracker, once."""
        self._look()
        self._emit(event)

    def _start(self) -> subprocess.Popen[bytes]:
        task = TrackerTask(
            run_dir=self.paths.root,
            folder=Path.cwd(),
            config=self.config,
            grace_seconds=self.grace_seconds,
        )
        # A file, not a pipe: nobody waits for a reader. Not the command line: it may hold secrets.
        with tempfile.TemporaryFile() as order, self.paths.tracking_log.open("ab") as output:
            order.write(task.model_dump_json().encode())
            order.seek(0)
            return subprocess.Popen(  # noqa: S603 - fixed arguments
                _COMMAND,
                stdin=order,
                stdout=output,
                stderr=output,
                env=for_tracker(),
                # A Ctrl-C, or the end of the training's group, is not for it.
                start_new_session=True,
            )

    def _look(self, *, at_end: bool = False) -> None:
        if self._process is None or self._told:
            return
        code = self._process.poll()
        record = self._record()
        if record is not None and record.problem is not None:
            again = record.state == "following" and not at_end
            self._tell(record.problem + (_TRIED_AGAIN if again else ""))
        elif code == OVERDUE:
            self._tell(self._overdue())
        elif code is not None and not (at_end and code == 0):
            self._tell(f"mlflow: the tracker ended by itself ({_how(code)}); mlflow.log says more")

    def _wait(self, seconds: float | None) -> bool:
        """Whether the tracker ended in `seconds`, or in the grace time unless a stop is asked."""
        if self._process is None:
            return True
        limit = self.grace_seconds if seconds is None else seconds
        until = self.clock.monotonic() + limit
        while self.clock.monotonic() < until:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_SECONDS)
                return True
            if seconds is None and self.stop.asked:
                break
        return self._process.poll() is not None

    def _overdue(self) -> str:
        record = self._record()
        trouble = "mlflow: the tracker was not done"
        if record is not None and record.problem is not None:
            trouble = record.problem
        epochs = 0 if record is None else record.epochs
        return f"{trouble}; given up {self.grace_seconds:g} s after the run, epochs sent: {epochs}"

    def _record(self) -> TrackingRecord | None:
        """What the tracker has to say; None of an earlier one."""
        record = read_record(self.paths.tracking)
        if record is None or self._process is None or record.pid != self._process.pid:
            return None
        return record

    def _tell(self, text: str) -> None:
        log.warning("%s", text)
        if not self._told:
            self._told = True
            self._emit(Notice(job=self.job, text=text))


def _grace_seconds() -> float:
    """How long a tracker may go on after its run; raises `ValueError`."""
    text = os.environ.get(GRACE_VARIABLE, "").strip()
    if not text:
        return DEFAULT_GRACE_SECONDS
    if not (text.isascii() and text.isdecimal() and int(text[:6]) <= _DAY):
        raise ValueError(f"{GRACE_VARIABLE}: '{text}' is no number of seconds up to a day")
    return float(text)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):  # a file system that hangs holds even the killed
        process.wait(1.0)


def _how(code: int) -> str:
    return f"status {code}" if code >= 0 else signal.Signals(-code).name
