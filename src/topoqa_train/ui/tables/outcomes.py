"""Lines on the outcome of each job of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from topoqa_train.errors import shown_path
from topoqa_train.ui import formatting
from topoqa_train.ui.tables.leaderboard import heading_of
from topoqa_train.views.progress import JobOutcome, JobState

_STYLES: dict[JobState, str] = {
    "done": "green",
    "done before": "green",
    "failed": "bold red",
    "interrupted": "yellow",
    "running": "yellow",
    "not started": "dim",
}
_GAP = "  "
# The first columns hold text; the others hold numbers and are justified to the right.
_TEXT_COLUMNS = 2


def outcome_lines(outcomes: Sequence[JobOutcome], here: Path, width: int) -> list[Text]:
    """Return a heading and a line per job with its run, relative to `here`.

    If `width` is too small for both, the run gets a line of its own: a cut path is useless.
    """
    metric = next((outcome.metric for outcome in outcomes if outcome.metric), None)
    headings = ["job", "state", heading_of(metric) if metric else "best", "epoch", "time"]
    rows = [_cells(outcome) for outcome in outcomes]
    runs = [shown_path(outcome.run_dir, here) if outcome.run_dir else "" for outcome in outcomes]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    full = sum(widths) + len(_GAP) * len(widths) + max(map(len, [*runs, "run"]))
    same_line = full <= width
    lines = [Text(_line(headings, widths) + (f"{_GAP}run" if same_line else ""), style="bold")]
    for outcome, row, run in zip(outcomes, rows, runs, strict=True):
        line = Text(f"{_line(row, widths)}{_GAP}{run if same_line else ''}".rstrip())
        start = widths[0] + len(_GAP)
        line.stylize(_STYLES[outcome.state], start, start + widths[1])
        lines.append(line)
        if run and not same_line:
            lines.append(Text(f"{_GAP}{run}"))
    return lines


def _cells(outcome: JobOutcome) -> list[str]:
    return [
        outcome.name,
        outcome.state,
        formatting.number(outcome.best, 4),
        "-" if outcome.epoch is None else str(outcome.epoch),
        "-" if outcome.run_dir is None else formatting.duration(outcome.seconds),
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(
        cell.ljust(width) if place < _TEXT_COLUMNS else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
