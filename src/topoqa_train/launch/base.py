"""What every launcher does; plugins of `topoqa_train.launchers` give others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from topoqa_train.launch.job import Task
from topoqa_train.plugins import discovery
from topoqa_train.runs.events import Event, RunEnded

VARIABLE = "TOPOQA_TRAIN_LAUNCHER"
DEFAULT = "children"
OnEvent = Callable[[Event], None]


class Launcher(Protocol):
    """A context that runs tasks; its processes live no longer than it."""

    def __enter__(self) -> Self:
        """Be ready."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every process that is left."""
        ...

    def run(self, tasks: Sequence[Task], on_event: OnEvent, *, keep_going: bool) -> list[RunEnded]:
        """Do `tasks` and return how each that was begun ended, in the order of `tasks`.

        Every event goes to `on_event`, on the calling thread, the `RunEnded` too. After a failure
        nothing new is begun unless `keep_going`.

        Raises:
            InterruptedRunError, TerminatedRunError: this process was told to stop; the tasks
                stopped first, each after its last whole epoch.
        """
        ...


def make(name: str, at_once: int) -> Launcher:
    """The launcher called `name`, for `at_once` tasks at a time."""
    plugin = discovery.find(discovery.LAUNCHERS, "launcher", name)
    made = plugin.load()
    with plugin.attribute_errors():
        launcher: Launcher = made(at_once)
    return launcher
