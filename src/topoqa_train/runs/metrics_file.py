"""`metrics/metrics.csv`: one row an epoch, only ever added to; cut back when a run resumes."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from topoqa_train import atomic, bounded_read

# Some hundred thousand epochs.
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
    """The table of one run. Epochs in it count from 0, as Lightning and the reference count."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Mapping[str, float]) -> None:
        """Add one epoch; the first row also writes the header. Flushed before it returns."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(self.path, _line(_columns(row)))
        names = columns(self.path)
        atomic.append_line(self.path, _line([_text(name, row.get(name)) for name in names]))

    def rows(self) -> list[dict[str, float]]:
        """All whole rows, in order; a half-written last line (a killed writer) is left out."""
        return read(self.path)

    def cut(self, next_epoch: int, history: Sequence[Mapping[str, float]] = ()) -> list[int]:
        """Have the rows of the epochs before `next_epoch`, each once; returns those that are lost.

        `history` are the rows as they were written, where a checkpoint knows them: with those a
        table that was damaged or lost is whole again.
        """
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
    """The columns of a metrics table; none where there is no table, or its header is not whole."""
    try:
        with bounded_read.opened(path) as file:
            line = file.readline(MAXIMUM_BYTES).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return _fields(line.removesuffix("\n")) if line.endswith("\n") else []


def read(path: Path) -> list[dict[str, float]]:
    """The whole rows of a metrics table, numbers as floats, empty fields as NaN.

    A missing file is an empty table; a line that is no row of numbers is left out.

    Raises:
        OSError: it can't be read, is no file, or is larger than any table of a run.
    """
    return [row for _, row in _lines(path) if row is not None]


def damaged_lines(path: Path) -> list[int]:
    """The lines that `read` leaves out, counted from 1; a half-written last one is not yet one.

    None of a table that can't be read at all.
    """
    try:
        return [number for number, row in _lines(path) if row is None]
    except OSError:
        return []


def _lines(path: Path) -> list[tuple[int, dict[str, float] | None]]:
    """Each whole line below the header with its number, and the row that it is, if any."""
    # Line by line, so that a damaged one spares the others.
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
    # repr of a float reads back as the very same float: the table is exact.
    return str(int(value)) if name in _WHOLE else repr(float(value))


def _line(fields: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(fields)
    return buffer.getvalue()
