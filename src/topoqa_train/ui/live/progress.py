"""Progress of a counted task: a bar on a terminal, a line at every tenth elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

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

_TENTHS = 10


@contextmanager
def progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show `description` with `total` steps (None: unknown) on standard error.

    Yields a function that takes the number of steps just done.
    """
    target = console.err()
    if not console.is_live(target):
        with _lines(description, total) as advance:
            yield advance
        return
    text, times = TextColumn("{task.description}"), (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (SpinnerColumn(), text, BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, console=target) as bar:
        yield partial(bar.advance, bar.add_task(description, total=total))


@contextmanager
def _lines(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    done = 0

    def advance(steps: int = 1) -> None:
        nonlocal done
        before, done = done, done + steps
        # The last tenth is left to the line "done" below.
        if total and done < total and done * _TENTHS // total > before * _TENTHS // total:
            console.notify(f"{description}: {done} of {total}")

    console.notify(f"{description} ..." if total is None else f"{description}: 0 of {total}")
    yield advance
    console.notify(f"{description}: done" + (f" ({done})" if done else ""))
