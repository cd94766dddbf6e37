"""The main program of a child process: tasks on standard input, events on standard output."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import BinaryIO

from topoqa_train.errors import TerminatedRunError
from topoqa_train.launch import job as jobs
from topoqa_train.launch import signals
from topoqa_train.launch.job import Task
from topoqa_train.runs import events
from topoqa_train.runs.events import Event
from topoqa_train.stopping import StopRequest
from topoqa_train.worker import console_log
from topoqa_train.worker.executor import Executor

# Time for the present batch to end after the parent has died.
_ORPHAN_SECONDS = 60.0


def main() -> None:
    """Run the tasks that arrive on standard input until it ends."""
    tasks, channel = _own_pipes()
    console_log.quiet_lightning()
    stop = StopRequest()

    def emit(event: Event) -> None:
        try:
            channel.write((events.to_line(event) + "\n").encode())
        except BrokenPipeError:
            stop.terminate()  # the parent has died, and nobody reads events any more

    inbox: queue.Queue[Task | None] = queue.Queue()
    # A thread, because the end of the input must be noticed during a training, too.
    threading.Thread(target=_read, args=(tasks, inbox, stop), daemon=True).start()
    executor = Executor(emit, stop)
    with signals.passed_on(stop.interrupt, stop.terminate):
        while (task := inbox.get()) is not None:
            executor.do(task)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the pipes to the parent to descriptors of their own, away from 0 and 1.

    The output of a library must not look like an event. And a forked loader worker closes
    `sys.stdin`, which would block forever on the thread that reads from it.
    """
    tasks = os.fdopen(os.dup(0), "rb")
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return tasks, channel


def _read(tasks: BinaryIO, inbox: queue.Queue[Task | None], stop: StopRequest) -> None:
    for line in tasks:
        inbox.put(jobs.from_line(line))
    inbox.put(None)
    # Between tasks this has no effect; during a task it means that the parent has died.
    stop.terminate()
    time.sleep(_ORPHAN_SECONDS)
    # The batch hangs. Files on disk are complete at any moment, so this exit is safe.
    os._exit(TerminatedRunError.exit_status)


if __name__ == "__main__":
    main()
