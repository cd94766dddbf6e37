"""What has come of each job of a batch, at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from topoqa_train.ui import formatting
from topoqa_train.ui.tables.leaderboard import heading_of, shown_path
from topoqa_train.views.progress import JobOutcome, JobState

_STYLES: dict[JobState, str] = {
    "done": "green",
    "done before": "green",
    "failed": "bold red",
    "interrupted": "yellow",
    "running": "yellow",
    "not begun": "dim",
}
_GAP = "  "
# Of these, text; the rest are figures, which stand at the right.
_WORDS = 2


def outcome_lines(outcomes: Sequence[JobOutcome], here: Path, width: int) -> list[Text]:
    """A heading, then a line a job with its run, relative to `here`.

    Where `width` is too small for names and runs side by side, each run has a line of its own: a
    path that is cut is of no use.
    """
    metric = next((outcome.metric for outcome in outcomes if outcome.metric), None)
    headings = ["job", "state", heading_of(metric) if metric else "best", "epoch", "time"]
    rows = [_cells(outcome) for outcome in outcomes]
    runs = [
        str(shown_path(outcome.run_dir, here)) if outcome.run_dir else "" for outcome in outcomes
    ]
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    whole = sum(widths) + len(_GAP) * len(widths) + max(map(len, [*runs, "run"]))
    beside = whole <= width
    lines = [Text(_line(headings, widths) + (f"{_GAP}run" if beside else ""), style="bold")]
    for outcome, row, run in zip(outcomes, rows, runs, strict=True):
        # The name may be what is too long; its end is where names differ.
        line = _line(row, widths) + (f"{_GAP}{run}" if beside and run else "")
        shown = Text(line.rstrip())
        start = widths[0] + len(_GAP)
        shown.stylize(_STYLES[outcome.state], start, start + widths[1])
        lines.append(shown)
        if run and not beside:
            lines.append(Text(f"{_GAP}{run}"))
    return lines


def _cells(outcome: JobOutcome) -> list[str]:
    begun = outcome.run_dir is not None
    return [
        outcome.name,
        outcome.state,
        formatting.figure(outcome.best, 4),
        "-" if outcome.epoch is None else str(outcome.epoch),
        formatting.duration(outcome.seconds) if begun else "-",
    ]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(
        cell.ljust(width) if place < _WORDS else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
