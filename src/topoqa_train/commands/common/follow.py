"""Output of `monitor`: a screen, one picture or JSON, and Ctrl-C."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from topoqa_train.clock import SystemClock
from topoqa_train.errors import InterruptedRunError, RequestError, TerminatedRunError, shown_path
from topoqa_train.inspection import monitor as workflow
from topoqa_train.launch import signals
from topoqa_train.runs.paths import RunPaths
from topoqa_train.ui import console
from topoqa_train.ui.live import monitor
from topoqa_train.views import json_models

# time.sleep refuses much longer times.
_MAX_SLEEP = 1e6


def show(
    run: RunPaths, *, following: bool, interval: float, rows: int, as_json: bool | None
) -> None:
    """Show a run once or, if `following`, until it or the user ends it."""
    if not 0 < interval < math.inf:
        raise RequestError(f"--interval: {interval:g} is not a number of seconds above 0")
    to_json = as_json if as_json is not None else not sys.stdout.isatty()
    if following:
        _follow(run, interval, rows, to_json=to_json)
    else:
        _look(run, rows, to_json=to_json)


def _look(run: RunPaths, rows: int, *, to_json: bool) -> None:
    document = workflow.look(run, SystemClock(), shown_path)
    if to_json:
        typer.echo(json_models.to_json(document.recent(rows), indent=2))
    else:
        monitor.show(document, rows)


def _follow(run: RunPaths, interval: float, rows: int, *, to_json: bool) -> None:
    looks = workflow.follow(run, SystemClock(), shown_path, interval=interval, wait=_wait)
    with _until_interrupted(run):
        if to_json:
            for document in looks:
                typer.echo(json_models.to_json(document.recent(rows), indent=None))
            return
        with monitor.make(rows) as screen:
            for document in looks:
                screen.show(document)


def _wait(seconds: float) -> None:
    time.sleep(min(seconds, _MAX_SLEEP))


@contextmanager
def _until_interrupted(run: RunPaths) -> Iterator[None]:
    def interrupt() -> NoReturn:
        raise InterruptedRunError("interrupted")

    def terminate() -> NoReturn:
        raise TerminatedRunError("terminated")

    try:
        with signals.passed_on(interrupt, terminate):
            yield
    except InterruptedRunError as error:
        # The usual way to leave a running run is no error, so it is not printed in red.
        console.notify(
            "The run is not affected. To follow it again: "
            f"topoqa-train monitor --follow --run-dir {shlex.quote(shown_path(run.root))}"
        )
        raise typer.Exit(error.exit_status) from None
