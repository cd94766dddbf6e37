"""Jobs in this very process, one after another: for tests and for debugging."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from topoqa_train.launch import signals
from topoqa_train.launch.base import OnEvent
from topoqa_train.launch.job import Task
from topoqa_train.runs.events import Begun, RunEnded


class InProcessLauncher:
    """`at_once` is taken and ignored: there is one process."""

    def __init__(self, at_once: int) -> None:
        del at_once

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def run(self, tasks: Sequence[Task], on_event: OnEvent, *, keep_going: bool) -> list[RunEnded]:
        """See `Launcher.run`."""
        # Both bring torch, which `--help` must not wait for.
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
