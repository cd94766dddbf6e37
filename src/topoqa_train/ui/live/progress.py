"""Progress of a counted task: a bar on a terminal, a line every tenth elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from topoqa_train.ui import console

_PLAIN_STEPS = 10


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show `description` with `total` steps (None: unknown) on standard error.

    Yields a function that is called with the number of steps just done.
    """
    target = console.err()
    if console.is_live(target):
        with _bar(target) as bar:
            task = bar.add_task(description, total=total)

            def advance(steps: int = 1) -> None:
                bar.advance(task, steps)

            yield advance
        return
    plain = _PlainProgress(description, total)
    plain.begin()
    yield plain.advance
    plain.end()


def _bar(target: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=target,
    )


class _PlainProgress:
    """Lines for a pipe or a log: the beginning, every tenth, the end."""

    def __init__(self, description: str, total: int | None) -> None:
        self.description = description
        self.total = total
        self.done = 0
        self.said = 0

    def begin(self) -> None:
        console.notify(f"{self.description} ..." if self.total is None else f"{self}")

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        if self.total and self.done < self.total:
            tenth = self.done * _PLAIN_STEPS // self.total
            if tenth > self.said:
                self.said = tenth
                console.notify(f"{self}")

    def end(self) -> None:
        console.notify(f"{self.description}: done" + (f" ({self.done})" if self.done else ""))

    def __str__(self) -> str:
        return f"{self.description}: {self.done} of {self.total}"
