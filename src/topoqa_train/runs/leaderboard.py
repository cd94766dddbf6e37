"""Runs ordered by their best checkpoints. Reads no file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from topoqa_train.errors import RequestError
from topoqa_train.runs.metadata import finite
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS, lower_is_better
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import Candidate, RunSummary

# Names of runs in a note, before it gives only their number.
_NAMED = 6


@dataclass(frozen=True)
class Entry:
    """One run; `rank` is None if it has no value to rank by."""

    rank: int | None
    run: RunSummary
    best: Candidate | None
    value: float | None


@dataclass(frozen=True)
class Leaderboard:
    """Runs, best first; `notes` are lines that a reader must see."""

    metric: str
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]

    def winner(self) -> Entry | None:
        """Return the best entry that has a checkpoint, in whichever order they are.

        Of equals a completed run wins, then the first by name.
        """
        ranked = [entry for entry in self.entries if entry.rank is not None]
        return min(ranked, key=_order_of_winners, default=None)


def _order_of_winners(entry: Entry) -> tuple[int, bool, str]:
    # Fine-tuning starts from the winner. A completed run cannot improve any more, so of equals
    # the choice is the same tomorrow.
    run = entry.run
    return entry.rank or 0, run.status != Status.COMPLETED, run.paths.run_id


def rank(
    runs: Sequence[RunSummary],
    *,
    metric: str | None = None,
    reverse: bool = False,
    notes: Sequence[str] = (),
) -> Leaderboard:
    """Order `runs` by `metric`; without one, by what ranked their checkpoints.

    Selection metrics of different settings can't be compared: the ranking is then by val_loss, and
    a note says so. Runs with equal values share a rank.
    """
    chosen, note = _metric(runs, metric)
    _check_metric(chosen, runs)
    sign = 1.0 if lower_is_better(chosen) else -1.0
    entries = [_entry(run, chosen) for run in runs]
    measured = [entry for entry in entries if entry.value is not None]
    # By name among equals, so that two calls give the same table, whatever order the disk has.
    measured.sort(key=lambda entry: (sign * (entry.value or 0.0), entry.run.paths.run_id))
    without = [entry for entry in entries if entry.value is None]
    ordered = [*_with_ranks(measured), *without]
    found = (
        *_incomparable([entry.run for entry in measured]),
        *_without(chosen, [entry.run for entry in without if entry.best is not None]),
        *(
            f"{entry.run.paths.run_id}: {entry.best.doubt}"
            for entry in measured
            if entry.best and entry.best.doubt
        ),
    )
    return Leaderboard(chosen, tuple(ordered[:: -1 if reverse else 1]), (*note, *found, *notes))


def _entry(run: RunSummary, metric: str) -> Entry:
    best = run.best(metric)
    value = math.nan if best is None else best.metrics.get(metric, math.nan)
    return Entry(None, run, best, value if math.isfinite(value) else None)


def _with_ranks(entries: Sequence[Entry]) -> list[Entry]:
    ranked: list[Entry] = []
    for position, entry in enumerate(entries, start=1):
        tied = bool(ranked) and ranked[-1].value == entry.value
        number = ranked[-1].rank if tied else position
        ranked.append(Entry(number, entry.run, entry.best, entry.value))
    return ranked


def _incomparable(runs: Sequence[RunSummary]) -> Iterator[str]:
    """Yield why the metrics of these runs can't be compared."""
    # As text, because the fingerprint in an edited file may not be hashable.
    data = {run.paths.run_id: str(run.metadata.data.get("fingerprint") or "") for run in runs}
    known = set(data.values()) - {""}
    if len(known) > 1:
        yield (
            f"These runs were measured on {len(known)} different data sets: "
            "their metrics can't be compared."
        )
    unknown = [run_id for run_id, fingerprint in data.items() if not fingerprint]
    if known and unknown:
        yield f"The data set of these runs is not recorded: {_named(unknown)}"
    limited = [run.paths.run_id for run in runs if run.limited]
    if limited:
        yield f"Validated on a part of the graphs only: {_named(limited)}"


def _without(metric: str, runs: Sequence[RunSummary]) -> Iterator[str]:
    if runs:
        yield f"Not ranked, without {metric}: {_named([run.paths.run_id for run in runs])}"


def _named(run_ids: Sequence[str]) -> str:
    more = f" and {len(run_ids) - _NAMED} more" if len(run_ids) > _NAMED else ""
    return ", ".join(run_ids[:_NAMED]) + more


def to_document(board: Leaderboard, limit: int | None = None) -> dict[str, Any]:
    """Return the first `limit` entries as JSON types, with absolute paths."""
    return {
        "metric": board.metric,
        "notes": list(board.notes),
        "runs": [
            {
                "rank": entry.rank,
                "run_id": entry.run.paths.run_id,
                "run_dir": str(entry.run.paths.root),
                "status": str(entry.run.status),
                "value": entry.value,
                "checkpoint": None if entry.best is None else str(entry.best.path),
                "epoch": None if entry.best is None else entry.best.epoch,
                "metrics": {} if entry.best is None else finite(entry.best.metrics),
                "created": entry.run.metadata.created,
                # Null if epochs were trained, but their time was not recorded.
                "training_seconds": entry.run.seconds or (None if entry.run.rows else 0.0),
                "read_only": entry.run.read_only,
                "warnings": list(entry.run.warnings),
            }
            for entry in board.entries[:limit]
        ],
    }


def _metric(runs: Sequence[RunSummary], asked: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the metric to rank by, and a note if it is not the one asked for."""
    if asked not in (None, SELECTION):
        return asked or VAL_LOSS, ()
    ranked = [run for run in runs if run.rows]
    by_selection = [run for run in ranked if run.ranking_metric == SELECTION]
    if asked is None and not by_selection and ranked:
        return VAL_LOSS, ()
    # The selection metric is val_loss minus a weighted correlation. With another weight it is
    # another quantity, although it has the same name, while val_loss means the same everywhere.
    settings = {run.selection_settings for run in ranked}
    unknown = any(None in each for each in settings)
    if unknown or len(settings) > 1 or (asked is None and len(by_selection) < len(ranked)):
        return VAL_LOSS, (
            "These runs differ in their selection settings, so their selection metrics "
            "can't be compared: ranked by val_loss.",
        )
    return SELECTION, ()


def _check_metric(metric: str, runs: Sequence[RunSummary]) -> None:
    known = sorted({name for run in runs for row in run.rows for name in row})
    if known and metric not in known:
        raise RequestError(
            f"no run has a metric '{metric}'", details=[f"known: {', '.join(known)}"]
        )
