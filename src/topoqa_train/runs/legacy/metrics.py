"""The metrics of the reference's runs: Lightning's tables, two rows an epoch, made one.

A table has the columns `epoch,step,train_mse,val_loss,val_pearson_corr,val_spearman_corr` and
maybe more. Of each epoch one row holds train_mse and another what was validated, in either order;
epochs count from 0. A resumed run has a table for each sitting, `version_<n>`.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from topoqa_train import bounded_read
from topoqa_train.runs.checkpoint_files import leads_within
from topoqa_train.runs.metrics_file import LEADING_COLUMNS, MAXIMUM_BYTES

# Where a training of the reference, or Lightning by itself, leaves its tables.
_PATTERNS = (
    "*_training/version_*/metrics.csv",
    "lightning_logs/version_*/metrics.csv",
    "metrics/version_*/metrics.csv",
    "metrics/*version_*.csv",
    "metrics/metrics.csv",
    "version_*/metrics.csv",
    "metrics.csv",
)
_VERSION = re.compile(r"version_(\d+)")
_RATE = re.compile(r"lr([-_/ ]|$)|learning[-_ ]?rate")
_OURS = "learning_rate"
_MAXIMUM_EPOCH = 10**9
# What it takes to be called measured, and what every reader may ask of a row.
_MEASURED = "val"
_ALWAYS = tuple(name for name in LEADING_COLUMNS if name != "epoch_seconds")

Cells = dict[str, float]


def tables(root: Path) -> list[Path]:
    """The tables of the run in `root`, those of later sittings behind; no link leads out of it."""
    found = {
        file
        for pattern in _PATTERNS
        for file in root.glob(pattern)
        if file.is_file() and leads_within(file, root)
    }
    return sorted(found, key=lambda file: (_version(file, root), str(file)))


def _version(file: Path, root: Path) -> int:
    numbers = _VERSION.findall(file.relative_to(root).as_posix())
    return int(numbers[-1][:18]) if numbers else -1


def read(root: Path) -> tuple[list[dict[str, float]], list[str]]:
    """One row an epoch, by epoch, and a line for each table that can't be read.

    A row has what was written of its epoch; see `whole`. An epoch that was not validated yet is
    not among them. What a later sitting measured stands in place of what an earlier one did.
    """
    epochs: dict[int, Cells] = {}
    faults: list[str] = []
    for table in tables(root):
        try:
            content = bounded_read.content(table, MAXIMUM_BYTES)
            epochs |= _measured(content.decode("utf-8-sig", errors="replace"))
        except OSError as error:
            faults.append(f"{table} can't be read: {error.strerror or error}")
    return [{"epoch": float(epoch), **epochs[epoch]} for epoch in sorted(epochs)], faults


def whole(rows: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """The rows, each with every column of the run: NaN where its epoch has nothing."""
    names = dict.fromkeys([*_ALWAYS, *(name for row in rows for name in row)])
    return [{name: row.get(name, math.nan) for name in names} for row in rows]


def _measured(text: str) -> dict[int, Cells]:
    """The cells of each epoch of a table that was validated; of two in one column the later."""
    epochs: dict[int, Cells] = {}
    waiting: Cells = {}
    for cells in _rows(text):
        epoch = cells.pop("epoch", None)
        if epoch is None:  # learning rates stand in a row of their own, before their epoch
            waiting |= cells
        elif 0 <= epoch < _MAXIMUM_EPOCH and epoch.is_integer():
            epochs[int(epoch)] = {**epochs.get(int(epoch), {}), **waiting, **cells}
            waiting = {}
    return {
        epoch: cells
        for epoch, cells in epochs.items()
        if any(name.startswith(_MEASURED) for name in cells)
    }


def _rows(text: str) -> Iterator[Cells]:
    """The cells that hold something, row by row; what is no number and no row is passed over."""
    columns: list[str] = []
    rates: list[str] = []
    for line in text.splitlines():
        fields = _fields(line)
        if "epoch" in fields:
            columns = fields
            rates = [] if _OURS in columns else [name for name in columns if _is_rate(name)]
        elif fields and len(fields) == len(columns):
            cells = dict(_numbers(columns, fields))
            # Where other columns (`lr-Adam`) obviously hold it: one, or several that are equal.
            learning = {cells[name] for name in rates if name in cells}
            yield {**cells, _OURS: learning.pop()} if len(learning) == 1 else cells


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


def _is_rate(column: str) -> bool:
    return _RATE.match(column.lower()) is not None
