"""Quality of predicted DockQ: as numbers, and as a ranking of the decoys of each target."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

# CAPRI classes by DockQ (Basu & Wallner 2016).
CLASSES: Final[Mapping[str, float]] = {"acceptable": 0.23, "medium": 0.49, "high": 0.80}
TOPS: Final = (1, 10)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Metrics:
    """The metrics of a split by name; those in `undefined` have the value 0."""

    values: dict[str, float]
    undefined: frozenset[str]


def evaluate(predicted: ArrayLike, dockq: ArrayLike, targets: ArrayLike) -> Metrics:
    """Compare predictions [g] with DockQ [g]; `targets` [g] groups the decoys.

    - `val_loss`: mean squared error over the graphs.
    - `val_pearson_corr`, `val_spearman_corr`: over all graphs.
    - `val_target_spearman`: mean over the targets whose decoys differ in DockQ (a target of one
      decoy, or of equal ones, can't be ranked and is left out).
    - `val_ranking_loss`: mean over all targets of the best DockQ minus that of the top decoy.
    - `val_top1_acceptable` ... `val_top10_high`: share of all targets with a decoy of the class
      or better among the 1 or 10 top ones; a target without any such decoy counts as missed.

    A correlation with constant predictions or labels is undefined: it counts as 0 and is named
    in `undefined`, as is a mean with an undefined value. The top decoys are those with the highest
    predictions; among equal predictions the worst DockQ comes first, so that a constant network
    gains nothing from the order of the file. A prediction that is not finite ranks last, makes the
    correlations undefined, and enters `val_loss` unchanged.

    Raises:
        ValueError: lengths differ, or there is no graph.
    """
    scores, truth = np.asarray(predicted, np.float64), np.asarray(dockq, np.float64)
    owners = np.asarray(targets)
    if not scores.shape == truth.shape == owners.shape or scores.ndim != 1 or not scores.size:
        raise ValueError(f"shapes {scores.shape}, {truth.shape}, {owners.shape}: want one [g]")
    finite = np.where(np.isfinite(scores), scores, -np.inf)
    groups = [np.flatnonzero(owners == owner) for owner in np.unique(owners)]
    # lexsort sorts by its last key first: by prediction, then by DockQ among equal predictions.
    tops = [group[np.lexsort((truth[group], -finite[group]))] for group in groups]
    correlations = {
        "val_pearson_corr": [pearson(scores, truth)],
        "val_spearman_corr": [spearman(scores, truth)],
        "val_target_spearman": [
            spearman(scores[group], truth[group]) for group in groups if np.ptp(truth[group]) > 0
        ],
    }
    values = {
        "val_loss": _mean(((scores - truth) ** 2).tolist()),
        **{name: _mean([value or 0.0 for value in of]) for name, of in correlations.items()},
        "val_ranking_loss": _mean([float(truth[top].max() - truth[top[0]]) for top in tops]),
        **_hit_rates(truth, tops),
    }
    undefined = (name for name, of in correlations.items() if not of or None in of)
    return Metrics(values, frozenset(undefined))


def pearson(one: Floats, other: Floats) -> float | None:
    """Return Pearson's correlation; None if undefined: a constant, a NaN, fewer than two."""
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return None
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    first, second = (_unit(values - _mean(values.tolist())) for values in (one, other))
    return min(1.0, max(-1.0, _dot(first, second)))


def spearman(one: Floats, other: Floats) -> float | None:
    """Return Spearman's correlation, equal values at their mean rank; None as for `pearson`."""
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return None
    return pearson(_ranks(one), _ranks(other))


def selection_metric(
    val_loss: float, spearman_corr: float, *, weight: float, min_delta: float
) -> float:
    """Return the value by which epochs, checkpoints and runs are selected; lower is better.

    The correlation counts only above `min_delta`.
    """
    return val_loss - weight * max(0.0, spearman_corr - min_delta)


def _unit(values: Floats) -> Floats:
    """Return the vector scaled to length 1; divided by its largest value against overflow."""
    scaled = values / np.abs(values).max()
    return np.asarray(scaled / math.sqrt(_dot(scaled, scaled)))


def _dot(one: Floats, other: Floats) -> float:
    """Return the scalar product, rounded once: a BLAS sum depends on the alignment of arrays."""
    return math.fsum((one * other).tolist())


def _ranks(values: Floats) -> Floats:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray(last - (counts - 1) / 2)[places]


def _hit_rates(truth: Floats, tops: list[NDArray[np.intp]]) -> dict[str, float]:
    return {
        f"val_top{count}_{name}": _mean([float(truth[top[:count]].max() >= least) for top in tops])
        for count in TOPS
        for name, least in CLASSES.items()
    }


def _mean(values: list[float]) -> float:
    # numpy sums in an order that depends on length and alignment; `fsum` rounds only once.
    return math.fsum(values) / len(values) if values else 0.0
