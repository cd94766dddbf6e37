"""`metrics/metrics.csv`: one row per epoch, append-only; cut back when a run resumes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from topoqa_train import atomic, bounded_read

# Enough for some hundred thousand epochs.
MAXIMUM_BYTES = 64 * 2**20
LEADING_COLUMNS = (
    "epoch",
    "step",
    "learning_rate",
    "train_mse",
    "val_loss",
    "val_pearson_corr",
    "val_spearman_corr",
    "selection_metric",
    "epoch_seconds",
)
_WHOLE = ("epoch", "step")


class MetricsFile:
    """The table of one run; epochs count from 0, as in Lightning."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Mapping[str, float]) -> None:
        """Append one epoch, with the header before the first; it is on the disk on return."""
        # The header is written by a rename and each row by one append, so a kill at any point
        # leaves whole lines and at most one half line at the end, which readers skip.
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(self.path, _line(_columns(row)))
        names = columns(self.path)
        atomic.append_line(self.path, _line([_text(name, row.get(name)) for name in names]))

    def rows(self) -> list[dict[str, float]]:
        """Return all whole rows, in order; see `read`."""
        return read(self.path)

    def cut(self, next_epoch: int, history: Sequence[Mapping[str, float]] = ()) -> list[int]:
        """Keep the rows of the epochs before `next_epoch`, each once; return the lost epochs.

        `history` are rows as a checkpoint recorded them; they replace damaged and missing ones.
        """
        # The rows in the checkpoint belong to the weights that training continues with. They take
        # precedence over the table, which may be damaged, edited or of a later epoch.
        known = {int(row["epoch"]): row for row in history if row["epoch"] < next_epoch}
        kept = {int(row["epoch"]): row for row in self.rows() if row["epoch"] < next_epoch} | known
        names = _columns(history[0]) if history else columns(self.path)
        if "epoch" not in names:
            self.path.unlink(missing_ok=True)
            return list(range(next_epoch))
        lines = [_line(names)]
        lines += [
            _line([_text(name, kept[epoch].get(name)) for name in names]) for epoch in sorted(kept)
        ]
        atomic.write_text(self.path, "".join(lines))
        return [epoch for epoch in range(next_epoch) if epoch not in kept]


def columns(path: Path) -> list[str]:
    """Return the columns of a table; none if there is no table, or its header is cut off."""
    try:
        with bounded_read.opened(path) as file:
            line = file.readline(MAXIMUM_BYTES).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return _fields(line.removesuffix("\n")) if line.endswith("\n") else []


def read(path: Path) -> list[dict[str, float]]:
    """Return the rows of a table as floats, empty fields as NaN.

    A missing file is an empty table. A line that is not a row of numbers is skipped, and so is a
    last line that is only half written, because its writer was killed.

    Raises:
        OSError: it can't be read, is not a file, or is larger than any table of a run.
    """
    return [row for _, row in _lines(path) if row is not None]


def damaged_lines(path: Path) -> list[int]:
    """Return the numbers of the lines that `read` skips, from 1; none if it can't be read."""
    try:
        return [number for number, row in _lines(path) if row is None]
    except OSError:
        return []


def _lines(path: Path) -> list[tuple[int, dict[str, float] | None]]:
    """Return each whole line below the header: its number, and its row if it is one."""
    # Each line is parsed for itself, so that a damaged one does not affect the others.
    header, *lines = _text_of(path).split("\n")[:-1] or [""]
    names = _fields(header)
    if "epoch" not in names:
        return []
    return [(number, _row(names, _fields(line))) for number, line in enumerate(lines, start=2)]


def _text_of(path: Path) -> str:
    try:
        return bounded_read.content(path, MAXIMUM_BYTES).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _row(columns: Sequence[str], fields: Sequence[str]) -> dict[str, float] | None:
    if len(fields) != len(columns):
        return None
    try:
        row = {
            name: float(field) if field else math.nan
            for name, field in zip(columns, fields, strict=True)
        }
    except ValueError:
        return None
    return row if math.isfinite(row["epoch"]) else None


def _columns(row: Mapping[str, float]) -> list[str]:
    return [*LEADING_COLUMNS, *(name for name in row if name not in LEADING_COLUMNS)]


def _text(name: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return ""
    # repr of a float reads back as exactly that float, so a rewritten table keeps every byte.
    return str(int(value)) if name in _WHOLE else repr(float(value))


def _line(fields: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(fields)
    return buffer.getvalue()
