"""Two runs' metrics held against each other, bit for bit, times apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_APART = frozenset({"epoch", "epoch_seconds"})


@dataclass(frozen=True)
class Comparison:
    """Of the epochs that both runs have: whether, and from where on, their figures differ.

    `first` is the first epoch, from 0, that has a figure not the same in both, and `columns` has
    those figures, then and now; a column that one run lacks is not compared.
    """

    epochs: int
    epochs_then: int
    epochs_now: int
    first: int | None = None
    columns: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "epochs": self.epochs,
            "epochs_then": self.epochs_then,
            "epochs_now": self.epochs_now,
            "first_difference": self.first,
            "columns": {name: list(pair) for name, pair in self.columns.items()},
        }


def compare(then: Sequence[Mapping[str, float]], now: Sequence[Mapping[str, float]]) -> Comparison:
    """Rows of metrics.csv of two runs, as `runs.metrics_file` reads them."""
    one, other = _by_epoch(then), _by_epoch(now)
    common = sorted(one.keys() & other.keys())
    for epoch in common:
        columns = different(one[epoch], other[epoch])
        if columns:
            return Comparison(len(common), len(one), len(other), epoch, columns)
    return Comparison(len(common), len(one), len(other))


def different(
    then: Mapping[str, float], now: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """The figures that both have and that are not the same to the last bit."""
    return {
        name: (value, now[name])
        for name, value in then.items()
        if name in now and name not in _APART and value.hex() != now[name].hex()
    }


def _by_epoch(rows: Sequence[Mapping[str, float]]) -> dict[int, Mapping[str, float]]:
    return {int(row["epoch"]): row for row in rows}
