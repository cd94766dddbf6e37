"""Lightning's metrics tables, two rows per epoch, as one row per epoch.

A table has the columns `epoch,step,train_mse,val_loss,val_pearson_corr,val_spearman_corr` and maybe
more. One row of an epoch holds `train_mse` and another the validation metrics, in either order;
epochs count from 0. A resumed run has one table per session, `version_<n>`.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from topoqa_legacy.values import is_inside
from topoqa_train.api import read_file

MAXIMUM_BYTES = 64 * 2**20
_PATTERNS = (
    "*_training/version_*/metrics.csv",
    "lightning_logs/version_*/metrics.csv",
    "metrics/version_*/metrics.csv",
    "metrics/*version_*.csv",
    "metrics/metrics.csv",
    "version_*/metrics.csv",
    "metrics.csv",
)
_VERSION = re.compile(r"version_(\d{1,18})")
# What LearningRateMonitor calls its columns: `lr-Adam`, `lr-Adam/pg1`.
_RATE = re.compile(r"lr([-_/ ]|$)|learning[-_ ]?rate", re.IGNORECASE)
_MAXIMUM_EPOCH = 10**9
_ALWAYS = (
    *("epoch", "step", "learning_rate", "train_mse", "val_loss"),
    *("val_pearson_corr", "val_spearman_corr", "selection_metric"),
)

Row = dict[str, float]


def tables(folder: Path) -> list[Path]:
    """Return the tables of the run in `folder`, those of later sessions last."""
    found = {
        file
        for pattern in _PATTERNS
        for file in folder.glob(pattern)
        if file.is_file() and is_inside(file, folder)
    }
    return sorted(found, key=lambda file: (_version(file.relative_to(folder)), str(file)))


def _version(file: Path) -> int:
    return max(map(int, _VERSION.findall(file.as_posix())[-1:]), default=-1)


def read(files: Sequence[Path]) -> tuple[list[Row], list[str]]:
    """Return one row per validated epoch, in order, and a line for each unreadable table.

    A cell that is empty is missing from its row. A later table replaces the epochs that it repeats.
    """
    epochs: dict[int, Row] = {}
    errors: list[str] = []
    for file in files:
        try:
            text = read_file(file, MAXIMUM_BYTES).decode("utf-8-sig", errors="replace")
        except OSError as error:
            errors.append(f"{file} can't be read: {error.strerror or error}")
        else:
            epochs |= _validated(text)
    return [{"epoch": float(epoch), **epochs[epoch]} for epoch in sorted(epochs)], errors


def whole(rows: Sequence[Mapping[str, float]]) -> list[Row]:
    """Return the rows, each with every column of the run; NaN where a row has no value."""
    names = dict.fromkeys([*_ALWAYS, *(name for row in rows for name in row)])
    return [{name: row.get(name, math.nan) for name in names} for row in rows]


def _validated(text: str) -> dict[int, Row]:
    epochs: dict[int, Row] = {}
    waiting: Row = {}
    for cells in _rows(text):
        epoch = cells.pop("epoch", None)
        if epoch is None:  # learning rates have a row of their own, before their epoch
            waiting |= cells
        elif 0 <= epoch < _MAXIMUM_EPOCH and epoch.is_integer():
            epochs[int(epoch)] = {**epochs.get(int(epoch), {}), **waiting, **cells}
            waiting = {}
    # An epoch in progress has a training loss at most.
    return {
        epoch: row for epoch, row in epochs.items() if any(name.startswith("val") for name in row)
    }


def _rows(text: str) -> Iterator[Row]:
    columns: list[str] = []
    for line in text.splitlines():
        # Line by line, so that a damaged one spares the others.
        fields = _fields(line)
        if "epoch" in fields:
            columns = fields
        elif len(fields) == len(columns):
            cells = dict(_numbers(columns, fields))
            rates = {value for name, value in cells.items() if _RATE.match(name)}
            if "learning_rate" not in cells and len(rates) == 1:
                cells["learning_rate"] = rates.pop()
            yield cells


def _fields(line: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader([line], strict=True), [])]
    except csv.Error:
        return []


def _numbers(columns: Sequence[str], fields: Sequence[str]) -> Iterator[tuple[str, float]]:
    for name, field in zip(columns, fields, strict=True):
        try:
            if name and field:
                yield name, float(field)
        except ValueError:
            continue
