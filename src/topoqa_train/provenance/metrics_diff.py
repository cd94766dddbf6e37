"""Bitwise comparison of the metrics of two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# The columns that identify a row or depend on the machine's load.
_NOT_COMPARED = frozenset({"epoch", "epoch_seconds"})
Rows = Sequence[Mapping[str, float]]


def compare(then: Rows, now: Rows) -> dict[str, Any]:
    """Compare the rows of metrics.csv of two runs, as JSON types.

    `first_difference` is the first epoch, from 0, with a metric that differs, and `columns` holds
    these metrics, then and now. Only epochs and columns that both runs have are compared.
    """
    one, other = _by_epoch(then), _by_epoch(now)
    common = sorted(one.keys() & other.keys())
    differing = {epoch: different(one[epoch], other[epoch]) for epoch in common}
    first = next((epoch for epoch in common if differing[epoch]), None)
    return {
        "epochs": len(common),
        "epochs_then": len(one),
        "epochs_now": len(other),
        "first_difference": first,
        "columns": {} if first is None else differing[first],
    }


def different(then: Mapping[str, float], now: Mapping[str, float]) -> dict[str, list[float]]:
    """Return the metrics that both have and that differ in any bit: NaN equals NaN, -0 not 0."""
    return {
        name: [value, now[name]]
        for name, value in then.items()
        if name in now and name not in _NOT_COMPARED and value.hex() != now[name].hex()
    }


def _by_epoch(rows: Rows) -> dict[int, Mapping[str, float]]:
    return {int(row["epoch"]): row for row in rows}
