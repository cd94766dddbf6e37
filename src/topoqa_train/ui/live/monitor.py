"""A run that is followed: a live picture on a terminal, plain lines elsewhere; standard output."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from topoqa_train.runs.status import Status
from topoqa_train.ui import console, run_view
from topoqa_train.views.json_models import MonitorDocument


def make(rows: int) -> MonitorScreen | MonitorLines:
    """The screen that suits where standard output goes; `rows` is how many epochs it shows."""
    target = console.out()
    return MonitorScreen(target, rows) if console.is_live(target) else MonitorLines(target, rows)


def show(document: MonitorDocument, rows: int) -> None:
    """One picture, whole."""
    _print(console.out(), document, rows)


def _print(target: Console, document: MonitorDocument, rows: int) -> None:
    for line in run_view.picture(document, width=target.width, height=None, rows=rows):
        target.print(line, soft_wrap=True)
    closing = run_view.closing_line(document)
    if closing:
        target.print(Text(closing), soft_wrap=True)


class MonitorScreen:
    """One picture that is redrawn in its place; the last one stays."""

    def __init__(self, target: Console, rows: int) -> None:
        self.target = target
        self.rows = rows
        self.document: MonitorDocument | None = None
        self._live = Live(
            console=target,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def show(self, document: MonitorDocument) -> None:
        """Draw it in the place of the one before."""
        self.document = document
        self._draw(document, self.target.height - 1)

    def _draw(self, document: MonitorDocument, height: int) -> None:
        lines = run_view.picture(document, width=self.target.width, height=height, rows=self.rows)
        self._live.update(Group(*lines), refresh=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        closing = "" if self.document is None else run_view.closing_line(self.document)
        if self.document is not None and closing:
            # Drawn once more, so that its first line stays on the screen above what is said now.
            wrapped = math.ceil(len(closing) / self.target.width)
            self._draw(self.document, self.target.height - 1 - wrapped)
        self._live.stop()
        if closing:
            self.target.print(Text(closing), soft_wrap=True)


class MonitorLines:
    """A picture at the beginning and at the end, a line an epoch between. No control codes."""

    def __init__(self, target: Console, rows: int) -> None:
        self.target = target
        self.rows = rows
        self._seen: tuple[Status, int] | None = None

    def __enter__(self) -> Self:
        return self

    def show(self, document: MonitorDocument) -> None:
        """Print what has changed since the one before."""
        now = (document.status, document.runtime.epochs_done)
        over = document.status not in (Status.CREATED, Status.RUNNING)
        if self._seen is None or over:
            _print(self.target, document, self.rows)
        elif now != self._seen:
            self.target.print(Text(run_view.change_line(document)), soft_wrap=True)
        self._seen = now

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to take down, where nothing was put up."""
