"""The inside of the tracker's process: one order on standard input, then a run's files."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from types import FrameType

from topoqa_train.clock import SystemClock
from topoqa_train.log import ROOT as LOG_ROOT
from topoqa_train.runs import lock
from topoqa_train.runs.paths import RunPaths
from topoqa_train.tracking.follower import Follower
from topoqa_train.tracking.mlflow_client import MLflowStore
from topoqa_train.tracking.run_watcher import Sitting
from topoqa_train.tracking.supervisor import OVERDUE, TrackerTask
from topoqa_train.tracking.uri import without_secret

GIVEN_UP = 4
# Trainings come first on a busy machine.
_NICE = 5
_WATCH_SECONDS = 1.0


def main() -> int:
    """Follow the run that is asked for; 0 if MLflow has all of it in the end."""
    task = TrackerTask.model_validate_json(sys.stdin.buffer.read())
    os.nice(_NICE)
    _log_to_standard_error()
    paths = RunPaths(task.run_dir)
    sitting = Sitting(paths, SystemClock())
    watchdog = Watchdog(Sitting(paths, SystemClock()), task.grace_seconds)
    watchdog.start()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, watchdog.begin)
    # The tracker of the sitting before may have its last seconds still.
    with lock.alone(paths.tracking_lock, task.grace_seconds + 2 * _WATCH_SECONDS):
        done = Follower(sitting, task, MLflowStore, time.sleep).follow()
    return 0 if done else GIVEN_UP


class Watchdog(threading.Thread):
    """Ends this process some time after its run, or after SIGTERM, whatever it is stuck in."""

    def __init__(self, sitting: Sitting, seconds: float) -> None:
        super().__init__(daemon=True)
        self.sitting = sitting
        self.seconds = seconds
        self._begun = threading.Event()

    def begin(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: the time begins now."""
        del number, frame
        self._begun.set()

    def run(self) -> None:
        """See the class."""
        while not self.sitting.over and not self._begun.wait(_WATCH_SECONDS):
            pass
        time.sleep(self.seconds)
        sys.stderr.write(f"not done after {self.seconds:g} s: given up\n")
        # Nothing that could hold us up: what MLflow has is whole, what the run has too.
        os._exit(OVERDUE)


class _Formatter(logging.Formatter):
    """No password of an address in the log, in a trace neither."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        return without_secret(super().format(record))


def _log_to_standard_error() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger(LOG_ROOT)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main())
