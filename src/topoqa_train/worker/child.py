"""The inside of a warm child: tasks in, events out, nothing else on either pipe."""

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

# How long a batch may go on after the parent is gone.
_ORPHAN_SECONDS = 60.0


def main() -> None:
    """Do what arrives on standard input until it ends."""
    tasks, channel = _own_pipes()
    console_log.hush()
    stop = StopRequest()

    def emit(event: Event) -> None:
        try:
            channel.write((events.to_line(event) + "\n").encode())
        except BrokenPipeError:
            # The parent is gone, and nobody else hears events: stop as if it had said so.
            stop.terminate()

    inbox: queue.Queue[Task | None] = queue.Queue()
    threading.Thread(target=_read, args=(tasks, inbox, stop), daemon=True).start()
    executor = Executor(emit, stop)
    with signals.passed_on(stop.interrupt, stop.terminate):
        while (task := inbox.get()) is not None:
            executor.do(task)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the parent on descriptors of our own.

    Whatever a library prints must not look like an event; and a forked loader worker closes
    `sys.stdin`, which would wait for ever on the thread that reads from it.
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
    # With a task in hand this means that the parent is gone; idle, it means nothing.
    stop.terminate()
    time.sleep(_ORPHAN_SECONDS)
    # Still here: the batch hangs. What is on the disk is whole at any moment, so this is safe.
    os._exit(TerminatedRunError.exit_status)


if __name__ == "__main__":
    main()
