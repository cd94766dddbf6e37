"""The inside of a warm child: tasks in, events out, nothing else on either pipe."""

from __future__ import annotations

import os
import queue
import sys
import threading

from topoqa_train.launch import job as jobs
from topoqa_train.launch import signals
from topoqa_train.launch.job import Task
from topoqa_train.runs import events
from topoqa_train.runs.events import Event
from topoqa_train.training.stopping import StopRequest
from topoqa_train.workflows.execute import Executor


def main() -> None:
    """Do what arrives on standard input until it ends."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    # Whatever a library prints must not look like an event.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def emit(event: Event) -> None:
        channel.write((events.to_line(event) + "\n").encode())

    stop = StopRequest()
    inbox: queue.Queue[Task | None] = queue.Queue()
    threading.Thread(target=_read, args=(inbox, stop), daemon=True).start()
    executor = Executor(emit, stop)
    with signals.passed_on(stop.interrupt, stop.terminate):
        while (task := inbox.get()) is not None:
            executor.do(task)


def _read(inbox: queue.Queue[Task | None], stop: StopRequest) -> None:
    for line in sys.stdin.buffer:
        inbox.put(jobs.from_line(line))
    inbox.put(None)
    # With a task in hand this means that the parent is gone; idle, it means nothing.
    stop.terminate()


if __name__ == "__main__":
    main()
