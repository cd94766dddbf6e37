"""Display of one run on standard output: redrawn in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
from contextlib import ExitStack

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from topoqa_train.runs.status import Status
from topoqa_train.ui import console, run_view
from topoqa_train.views.json_models import MonitorDocument


def make(rows: int) -> MonitorScreen | MonitorLines:
    """Return the display that suits standard output; `rows` is the number of epochs shown."""
    target = console.out()
    return MonitorScreen(target, rows) if console.is_live(target) else MonitorLines(target, rows)


def show(document: MonitorDocument, rows: int) -> None:
    """Print a run once, in full."""
    _print(console.out(), document, rows)


def _print(target: Console, document: MonitorDocument, rows: int) -> None:
    for line in run_view.picture(document, width=target.width, height=None, rows=rows):
        target.print(line, soft_wrap=True)
    closing = run_view.closing_line(document)
    if closing:
        target.print(Text(closing), soft_wrap=True)


class MonitorScreen(ExitStack):
    """A picture of the run that is redrawn in place; the last one remains on the screen."""

    def __init__(self, target: Console, rows: int) -> None:
        super().__init__()
        self.target = target
        self.rows = rows
        self.document: MonitorDocument | None = None
        # Drawn only when there is something new: nothing in the picture moves by itself.
        self._live = Live(
            console=target, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self.callback(self._close)

    def show(self, document: MonitorDocument) -> None:
        """Replace the picture."""
        self._live.start()
        self.document = document
        # One line less than the terminal has: the cursor's line would scroll the first one away,
        # and Rich can't redraw what has scrolled away.
        self._draw(document, self.target.height - 1)

    def _draw(self, document: MonitorDocument, height: int) -> None:
        lines = run_view.picture(document, width=self.target.width, height=height, rows=self.rows)
        self._live.update(Group(*lines), refresh=True)

    def _close(self) -> None:
        closing = "" if self.document is None else run_view.closing_line(self.document)
        if self.document is not None and closing:
            # Make room for the closing line, or it would scroll the picture's first line away.
            wrapped = math.ceil(len(closing) / self.target.width)
            self._draw(self.document, self.target.height - 1 - wrapped)
        self._live.stop()
        if closing:
            self.target.print(Text(closing), soft_wrap=True)


class MonitorLines(ExitStack):
    """A picture at the start and at the end and a line per epoch between. No control codes."""

    def __init__(self, target: Console, rows: int) -> None:
        super().__init__()
        self.target = target
        self.rows = rows
        self._shown: tuple[Status, int] | None = None

    def show(self, document: MonitorDocument) -> None:
        """Print what has changed since the last call."""
        now = (document.status, document.runtime.epochs_done)
        ended = document.status not in (Status.CREATED, Status.RUNNING)
        if self._shown is None or ended:
            _print(self.target, document, self.rows)
        elif now != self._shown:
            self.target.print(Text(run_view.change_line(document)), soft_wrap=True)
        self._shown = now
