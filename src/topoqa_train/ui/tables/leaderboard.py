"""The leaderboard as a table."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from topoqa_train.runs.leaderboard import Entry, Leaderboard
from topoqa_train.runs.paths import HISTORY
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import DEFAULT_ROOT
from topoqa_train.ui import formatting

_PER_TARGET = "val_target_spearman"
# What a board shows of each checkpoint: column of metrics.csv, heading, digits.
_COLUMNS = (
    (SELECTION, "selection", 3),
    (VAL_LOSS, "val_loss", 4),
    ("val_spearman_corr", "rho", 3),
    (_PER_TARGET, "per-target rho", 2),
)
_NARROW = 2
_GAP = 2
_LEAST_NAME = 32
_LONGEST_HEADING = 14


def board_table(board: Leaderboard, *, limit: int | None, width: int) -> Table:
    """The first `limit` entries in `width` columns; of a name that is too long the end is kept."""
    entries = board.entries[:limit]
    longest = max((len(_name(entry)) for entry in entries), default=0)
    headings, rows = _cells(board, entries, narrow=False)
    if formatting.room(width, [headings, *rows], _GAP) < min(longest, _LEAST_NAME):
        headings, rows = _cells(board, entries, narrow=True)
    room = max(1, min(longest, formatting.room(width, [headings, *rows], _GAP)))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (headings[0], "run", *headings[1:]):
        table.add_column(heading, justify="left" if heading == "run" else "right", no_wrap=True)
    for entry, (rank, *figures) in zip(entries, rows, strict=True):
        table.add_row(*map(Text, (rank, formatting.tail(_name(entry), room), *figures)))
    return table


def _cells(
    board: Leaderboard, entries: Sequence[Entry], *, narrow: bool
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows, the column of names left out."""
    shown = [
        column
        for column in _COLUMNS
        # Runs of the reference have no per-target figures, and a column of dashes says nothing.
        if column[0] != board.metric
        and (column[0] != _PER_TARGET or any(_has(entry, _PER_TARGET) for entry in entries))
    ]
    if narrow and len(shown) > _NARROW:
        shown = [column for column in shown if column[0] != "val_spearman_corr"][:_NARROW]
    headings = [heading_of(board.metric), *(heading for _, heading, _ in shown)]
    if narrow:
        headings = [_short(heading) for heading in headings]
    rows = [
        [
            "-" if entry.rank is None else str(entry.rank),
            formatting.figure(entry.value, 4),
            *(formatting.figure(_figure(entry, name), digits) for name, _, digits in shown),
            "-" if entry.best is None or entry.best.epoch is None else str(entry.best.epoch),
            formatting.duration(entry.run.seconds) if entry.run.seconds else "-",
        ]
        for entry in entries
    ]
    return ["", *headings, "epoch", "time"], rows


def closing_lines(board: Leaderboard, here: Path, usual: Path | None = None) -> list[str]:
    """The winner's path and what to do next; empty where nothing has a rank.

    `usual` is the folder of runs that commands look in by themselves: `training_runs` in `here`,
    unless the environment says otherwise.
    """
    winner = board.winner()
    if winner is None or winner.best is None:
        return []
    run = winner.run.paths
    where = _where(run.root.parent, here, usual or here / DEFAULT_ROOT)
    return [
        f"Winner: {shown_path(winner.best.link, here)}",
        f"Next:   topoqa-train monitor --run-id {shlex.quote(run.run_id)}{where}",
        f"        topoqa-train leaderboard{where}",
    ]


def _where(folder: Path, here: Path, usual: Path) -> str:
    """The option that names the runs' folder, where it is not the one that is looked in anyway."""
    root = folder.parent if folder.name == HISTORY else folder
    if root == usual:
        return ""
    return f" --run-root {shlex.quote(str(shown_path(root, here)))}"


def shown_path(path: Path, here: Path) -> Path:
    """`path` relative to `here` where it lies below it."""
    return path.relative_to(here) if path.is_relative_to(here) else path


def _name(entry: Entry) -> str:
    state = "" if entry.run.status == Status.COMPLETED else f"  ({entry.run.status})"
    # A folder may have any name; a table shows one line of it, and no terminal obeys it.
    name = "".join(char if char.isprintable() else "?" for char in entry.run.paths.run_id)
    return f"{name}{state}"


def _figure(entry: Entry, name: str) -> float | None:
    return None if entry.best is None else entry.best.figures.get(name)


def _has(entry: Entry, name: str) -> bool:
    return (value := _figure(entry, name)) is not None and math.isfinite(value)


def heading_of(metric: str) -> str:
    """What a column of metrics.csv is called on a board."""
    return {name: heading for name, heading, _ in _COLUMNS}.get(metric, metric)


def _short(heading: str) -> str:
    short = {"selection": "select.", "per-target rho": "t. rho"}.get(heading, heading)
    return formatting.tail(short, _LONGEST_HEADING)
