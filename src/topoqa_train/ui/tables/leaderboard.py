"""Table of the leaderboard."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from topoqa_train.errors import shown_path
from topoqa_train.runs.leaderboard import Entry, Leaderboard
from topoqa_train.runs.paths import HISTORY
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import DEFAULT_ROOT
from topoqa_train.ui import formatting

_RHO, _PER_TARGET = "val_spearman_corr", "val_target_spearman"
# Column of metrics.csv, heading, short heading, digits.
_COLUMNS = (
    (SELECTION, "selection", "select.", 3),
    (VAL_LOSS, "val_loss", "val_loss", 4),
    (_RHO, "rho", "rho", 3),
    (_PER_TARGET, "per-target rho", "t. rho", 2),
)
# At most this many metrics beside the ranking one in the narrow layout.
_NARROW_COLUMNS = 2
_GAP = 2
# The wide layout is used only if it leaves this much for names: of a config's name and the time
# of the start, by which users know a run, the time alone takes 20 columns.
_MIN_NAME_WIDTH = 32
_MAX_HEADING = 14


def board_table(board: Leaderboard, *, limit: int | None, width: int) -> Table:
    """Return the first `limit` entries in `width` columns; long names are cut at their start."""
    entries = board.entries[:limit]
    longest = max((len(_name(entry)) for entry in entries), default=0)
    for narrow in (False, True):
        headings, rows = _cells(board, entries, narrow=narrow)
        left = formatting.remaining_width(width, [headings, *rows], _GAP)
        if left >= min(longest, _MIN_NAME_WIDTH):
            break
    name_width = max(1, min(longest, left))
    table = formatting.table([headings[0], "run", *headings[1:]], left=["run"])
    for entry, (rank, *metrics) in zip(entries, rows, strict=True):
        name = formatting.keep_end(_name(entry), name_width)
        table.add_row(*map(Text, (rank, name, *metrics)))
    return table


def _cells(
    board: Leaderboard, entries: Sequence[Entry], *, narrow: bool
) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows without the column of names."""
    shown = [column for column in _COLUMNS if column[0] != board.metric]
    # Runs of other programs may have no per-target metric; a column of dashes would be useless.
    per_target = [_metric(entry, _PER_TARGET) for entry in entries]
    if not any(value is not None and math.isfinite(value) for value in per_target):
        shown = [column for column in shown if column[0] != _PER_TARGET]
    if narrow and len(shown) > _NARROW_COLUMNS:
        shown = [column for column in shown if column[0] != _RHO][:_NARROW_COLUMNS]
    first = heading_of(board.metric, short=narrow)
    headings = [heading_of(name, short=narrow) for name, *_ in shown]
    rows = [
        [
            "-" if entry.rank is None else str(entry.rank),
            formatting.number(entry.value, 4),
            *(formatting.number(_metric(entry, name), digits) for name, *_, digits in shown),
            "-" if entry.best is None or entry.best.epoch is None else str(entry.best.epoch),
            formatting.duration(entry.run.seconds) if entry.run.seconds else "-",
        ]
        for entry in entries
    ]
    return ["", first, *headings, "epoch", "time"], rows


def closing_lines(board: Leaderboard, here: Path, usual: Path | None = None) -> list[str]:
    """Return the winner's path and the next commands, or nothing if no run has a rank.

    `usual` is the folder of runs that commands use without an option: `training_runs` in `here`,
    unless the environment names another one.
    """
    winner = board.winner()
    if winner is None or winner.best is None:
        return []
    run = winner.run.paths
    option = _root_option(run.root.parent, here, usual or here / DEFAULT_ROOT)
    return [
        f"Winner: {shown_path(winner.best.link, here)}",
        f"Next:   topoqa-train monitor --run-id {shlex.quote(run.run_id)}{option}",
        f"        topoqa-train leaderboard{option}",
    ]


def _root_option(folder: Path, here: Path, usual: Path) -> str:
    root = folder.parent if folder.name == HISTORY else folder
    if root == usual:
        return ""
    return f" --run-root {shlex.quote(shown_path(root, here))}"


def heading_of(metric: str, *, short: bool = False) -> str:
    """Return the heading of a column of metrics.csv."""
    for name, heading, short_heading, _ in _COLUMNS:
        if name == metric:
            return short_heading if short else heading
    return formatting.keep_end(metric, _MAX_HEADING) if short else metric


def _name(entry: Entry) -> str:
    state = "" if entry.run.status == Status.COMPLETED else f"  ({entry.run.status})"
    # A folder's name may hold line breaks and control characters.
    name = "".join(char if char.isprintable() else "?" for char in entry.run.paths.run_id)
    return f"{name}{state}"


def _metric(entry: Entry, name: str) -> float | None:
    return None if entry.best is None else entry.best.metrics.get(name)
