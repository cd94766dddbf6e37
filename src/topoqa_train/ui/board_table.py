"""The leaderboard as a table."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from topoqa_train.runs.board import Entry, Leaderboard
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS
from topoqa_train.runs.status import Status
from topoqa_train.ui import text

# What a board shows of each checkpoint: column of metrics.csv, heading, digits.
_COLUMNS = (
    (SELECTION, "selection", 3),
    (VAL_LOSS, "val_loss", 4),
    ("val_spearman_corr", "rho", 3),
    ("val_target_spearman", "per-target rho", 2),
)
_NARROW = 100


def board_table(board: Leaderboard, *, limit: int | None, width: int) -> Table:
    """The first `limit` entries; on a narrow terminal the end of a long name is kept."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = [column for column in _COLUMNS if column[0] != board.metric]
    narrow = width < _NARROW
    if narrow:
        shown = [column for column in shown if column[0] != "val_spearman_corr"]
    table.add_column("", justify="right")
    table.add_column("run", no_wrap=True, min_width=20)
    table.add_column(_heading(board.metric, narrow=narrow), justify="right", no_wrap=True)
    for _, heading, _ in shown:
        table.add_column(_short(heading) if narrow else heading, justify="right", no_wrap=True)
    table.add_column("epoch", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    name_width = max(20, width - 18 - 11 * (len(shown) + 1)) if narrow else 80
    for entry in board.entries[:limit]:
        table.add_row(
            "-" if entry.rank is None else str(entry.rank),
            text.tail(_name(entry), name_width),
            text.figure(entry.value, 4),
            *(text.figure(_figure(entry, name), digits) for name, _, digits in shown),
            "-" if entry.best is None else str(entry.best.epoch),
            text.duration(entry.run.seconds) if entry.run.rows else "-",
        )
    return table


def closing_lines(board: Leaderboard, here: Path) -> list[str]:
    """The winner's path and what to do next; empty where nothing has a rank."""
    winner = board.winner()
    if winner is None or winner.best is None:
        return []
    return [
        f"Winner: {shown_path(winner.best.link, here)}",
        f"Next:   topoqa-train monitor --run-id {winner.run.paths.run_id}"
        "   ·   topoqa-train leaderboard",
    ]


def shown_path(path: Path, here: Path) -> Path:
    """`path` relative to `here` where it lies below it."""
    return path.relative_to(here) if path.is_relative_to(here) else path


def _name(entry: Entry) -> str:
    state = "" if entry.run.status == Status.COMPLETED else f"  ({entry.run.status})"
    return f"{entry.run.paths.run_id}{state}"


def _figure(entry: Entry, name: str) -> float | None:
    return None if entry.best is None else entry.best.figures.get(name)


def _heading(metric: str, *, narrow: bool) -> str:
    headings = {name: heading for name, heading, _ in _COLUMNS}
    heading = headings.get(metric, metric)
    return _short(heading) if narrow else heading


def _short(heading: str) -> str:
    return {"selection": "select.", "per-target rho": "t. rho"}.get(heading, heading)
