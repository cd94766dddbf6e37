"""The main program of a tracker's process: read one task, follow that run to its end."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress

from filelock import FileLock

from topoqa_trackers.follower import Follower, Session
from topoqa_trackers.mlflow_backend import MLflowBackend, open_record
from topoqa_trackers.supervisor import OVERDUE, Task

# How to continue a tracker's record, and its backend. The backend imports the library that it
# uses when it connects, so that a broken one is reported.
_TRACKERS = {"mlflow": (open_record, MLflowBackend)}
_GAVE_UP = 4
# Training comes first on a busy machine.
_NICE = 5
_WATCH_SECONDS = 1.0


def main() -> int:
    """Follow the run of the task on standard input; 0 if all of it was sent in the end."""
    task = Task.model_validate_json(sys.stdin.buffer.read())
    os.nice(_NICE)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    watched = Session(task.run_dir), stop, task.grace_seconds
    threading.Thread(target=_limit_time, args=watched, daemon=True).start()
    # The tracker of the session before may still be in its last seconds.
    patience = task.grace_seconds + 2 * _WATCH_SECONDS
    record_of, backend = _TRACKERS[task.tracker]
    with FileLock(task.run_dir / f".{task.tracker}.lock", timeout=patience):
        record = record_of(task, task.run_dir / f"{task.tracker}.json")
        done = Follower(Session(task.run_dir), task, record, backend, time.sleep).follow()
    return 0 if done else _GAVE_UP


def _limit_time(session: Session, stop: threading.Event, seconds: float) -> None:
    """End this process `seconds` after its run, or after SIGTERM, wherever it is blocked."""
    while not session.over and not stop.wait(_WATCH_SECONDS):
        with suppress(Exception):  # nothing may end this watch
            session.look()
    time.sleep(seconds)
    sys.stderr.write(f"not finished after {seconds:g} s: giving up\n")
    # Not sys.exit: clean-up could block. The store and the run are consistent at any moment.
    os._exit(OVERDUE)


if __name__ == "__main__":
    sys.exit(main())
