"""Jobs in this process, one after another: for tests and for debugging."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from topoqa_train.launch import signals
from topoqa_train.launch.base import OnEvent
from topoqa_train.launch.job import Task
from topoqa_train.runs.events import Begun, RunEnded


class InProcessLauncher(AbstractContextManager["InProcessLauncher"]):
    """A launcher without processes; it ignores `at_once`."""

    def __init__(self, at_once: int) -> None:
        del at_once

    def __exit__(self, *exception: object) -> None:
        """Do nothing: there is no process to end."""

    def run(self, tasks: Sequence[Task], on_event: OnEvent, *, keep_going: bool) -> list[RunEnded]:
        """See `Launcher.run`."""
        # Both import torch, which `--help` must not wait for.
        from topoqa_train.stopping import StopRequest
        from topoqa_train.worker.executor import Executor

        stop = StopRequest()
        executor = Executor(on_event, stop)
        ended: list[RunEnded] = []
        with signals.passed_on(stop.interrupt, stop.terminate):
            for task in tasks:
                on_event(Begun(job=task.name))
                ended.append(executor.do(task))
                if ended[-1].status != "completed" and not keep_going:
                    break
        stop.check()
        return ended
