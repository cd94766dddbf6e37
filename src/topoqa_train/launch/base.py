"""The launcher protocol; plugins of `topoqa_train.launchers` provide further launchers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, Self

from topoqa_train.launch.job import Task
from topoqa_train.plugins import discovery
from topoqa_train.runs.events import Event, RunEnded

VARIABLE = "TOPOQA_TRAIN_LAUNCHER"
DEFAULT = "children"
OnEvent = Callable[[Event], None]


class Launcher(Protocol):
    """A context that runs tasks; its processes end with it."""

    def __enter__(self) -> Self:
        """Prepare."""
        ...

    def __exit__(self, *exception: object) -> None:
        """End every process that is left."""
        ...

    def run(self, tasks: Sequence[Task], on_event: OnEvent, *, keep_going: bool) -> list[RunEnded]:
        """Run `tasks` and return how each that was started ended, in the order of `tasks`.

        Every event, `RunEnded` included, goes to `on_event` on the calling thread. After a failure
        no further task is started unless `keep_going`.

        Raises:
            InterruptedRunError, TerminatedRunError: this process was asked to stop; the tasks
                stopped first, each after its last complete epoch.
        """
        ...


def make(name: str, at_once: int) -> Launcher:
    """Return the launcher called `name`, for `at_once` tasks at a time."""
    plugin = discovery.find(discovery.LAUNCHERS, "launcher", name)
    create = plugin.load()
    with plugin.attribute_errors():
        launcher: Launcher = create(at_once)
    return launcher
