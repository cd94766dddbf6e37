"""What `monitor` does around its one call down: screens, lines of JSON, and leaving."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer

from topoqa_train.clock import SystemClock
from topoqa_train.errors import InterruptedRunError, TerminatedRunError
from topoqa_train.launch import signals
from topoqa_train.runs import documents
from topoqa_train.runs.paths import RunPaths
from topoqa_train.ui import board_table, console, monitor_screen
from topoqa_train.workflows import monitor as workflow


def look(run: RunPaths, *, rows: int, as_json: bool | None) -> None:
    """Show a run as it is now."""
    document = workflow.look(run, SystemClock(), _shown)
    if _json_wanted(as_json):
        typer.echo(documents.to_json(document.recent(rows), indent=2))
    else:
        monitor_screen.show(document, rows)


def follow(run: RunPaths, *, interval: float, rows: int, as_json: bool | None) -> None:
    """Show a run until it ends; a person who leaves it before is told how to come back."""
    looks = workflow.follow(run, SystemClock(), _shown, interval=interval, wait=time.sleep)
    with _may_be_left(run):
        if _json_wanted(as_json):
            for document in looks:
                typer.echo(documents.to_json(document.recent(rows), indent=None))
            return
        with monitor_screen.make(rows) as screen:
            for document in looks:
                screen.show(document)


def _json_wanted(asked: bool | None) -> bool:
    return asked if asked is not None else not sys.stdout.isatty()


def _shown(path: Path) -> Path:
    return board_table.shown_path(path, Path.cwd())


@contextmanager
def _may_be_left(run: RunPaths) -> Iterator[None]:
    def leave() -> NoReturn:
        raise InterruptedRunError("left")

    def terminate() -> NoReturn:
        raise TerminatedRunError("terminated")

    try:
        with signals.passed_on(leave, terminate):
            yield
    except InterruptedRunError as error:
        # The usual way to leave a run that goes on: no error to be told in red.
        console.say(
            "The run is not touched. Look again: "
            f"topoqa-train monitor --follow --run-dir {_shown(run.root)}"
        )
        raise typer.Exit(error.exit_status) from None
