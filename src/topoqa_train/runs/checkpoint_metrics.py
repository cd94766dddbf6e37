"""Which figures a checkpoint has: those of the epoch it is of, if its own name bears them out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from topoqa_train.runs.checkpoint_files import Named, parse
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS

_RANKED_BY = (VAL_LOSS, SELECTION)


@dataclass(frozen=True)
class Proven:
    """The epoch of a checkpoint file, as far as it is known, and the figures that are its own.

    `doubt` is a line for whoever reads them: what could not be told, or does not agree.
    """

    epoch: int | None
    figures: Mapping[str, float] = field(hash=False)
    doubt: str | None = None


def prove(name: str, rows: Sequence[Mapping[str, float]]) -> Proven:
    """Hold the name of a checkpoint against the metrics of its run."""
    named = parse(name)
    if named.epoch is None:
        return _by_its_figures(name, named, rows)
    row = row_of(named.epoch, rows)
    if row is None:
        return Proven(named.epoch, _own(named), f"{name}: the metrics have no epoch {named.epoch}")
    return _of_the_row(name, named, row)


def row_of(epoch: int | None, rows: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
    """The last row of an epoch."""
    return next((row for row in reversed(rows) if row["epoch"] == epoch), None)


def _by_its_figures(name: str, named: Named, rows: Sequence[Mapping[str, float]]) -> Proven:
    """A file that names no epoch is of the one epoch that has its figures, if there is just one."""
    if not named.figures:
        return Proven(None, {}, f"{name}: nothing tells of which epoch it is")
    fitting = [row for row in rows if not _disagreeing(named, row)]
    if len(fitting) == 1:
        return Proven(int(fitting[0]["epoch"]), fitting[0])
    many = f"{len(fitting)} epochs have" if fitting else "no epoch has"
    told = ", ".join(f"{metric} {written.value}" for metric, written in named.figures.items())
    return Proven(None, _own(named), f"{name}: {many} {told}, so nothing else is known of it")


def _of_the_row(name: str, named: Named, row: Mapping[str, float]) -> Proven:
    epoch, own = named.epoch, _own(named)
    wrong = _disagreeing(named, row)
    doubt = "; ".join(
        f"{name}: epoch {epoch} has {metric} {row.get(metric, math.nan):.5f} in the metrics"
        for metric in wrong
    )
    if VAL_LOSS in wrong:
        return Proven(epoch, own, f"{doubt}: shown with what its name says alone")
    # Of a selection metric that the metrics don't have, or have otherwise, the name is the witness.
    kept = {metric: own[metric] for metric in own if metric in wrong or not _finite(row, metric)}
    return Proven(epoch, {**row, **kept}, doubt or None)


def _disagreeing(named: Named, row: Mapping[str, float]) -> list[str]:
    """The figures of the name that the row has otherwise."""
    return [
        metric
        for metric in _RANKED_BY
        if (written := named.figures.get(metric)) is not None
        and not (metric == SELECTION and not _finite(row, metric))
        and not written.agrees(row.get(metric, math.nan))
    ]


def _own(named: Named) -> dict[str, float]:
    return {metric: written.value for metric, written in named.figures.items()}


def _finite(row: Mapping[str, float], metric: str) -> bool:
    return math.isfinite(row.get(metric, math.nan))
