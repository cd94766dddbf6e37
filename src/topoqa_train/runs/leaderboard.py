"""Runs in order of merit. Reads files alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from topoqa_train.errors import RequestError
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS, lower_is_better
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import Candidate, RunSummary

# Names of runs that a note gives before it only counts.
_NAMED = 6


@dataclass(frozen=True)
class Entry:
    """One run on the board. `rank` is None where it has no figure to be ranked by."""

    rank: int | None
    run: RunSummary
    best: Candidate | None
    value: float | None


@dataclass(frozen=True)
class Leaderboard:
    """The board, best first; `notes` are lines that a reader must not miss."""

    metric: str
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]

    def winner(self) -> Entry | None:
        """The best entry that has a checkpoint, whichever way the board is turned.

        Of equals a finished run is the winner, then the first by name.
        """
        ranked = [entry for entry in self.entries if entry.rank is not None]
        return min(ranked, key=_place, default=None)


def _place(entry: Entry) -> tuple[int, bool, str]:
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

    Selection metrics of different settings can't be compared: then the board says so and ranks by
    val_loss. Equal figures share a rank.
    """
    chosen, note = _metric(runs, metric)
    _check_metric(chosen, runs)
    scored = [
        (run, candidate, _value(candidate, chosen)) for run, candidate in _bests(runs, chosen)
    ]
    sign = 1.0 if lower_is_better(chosen) else -1.0
    with_value = [item for item in scored if item[2] is not None]
    with_value.sort(key=lambda item: (sign * (item[2] or 0.0), item[0].paths.run_id))
    without = [item for item in scored if item[2] is None]
    entries = [*_ranked(with_value), *(Entry(None, run, best, None) for run, best, _ in without)]
    if reverse:
        entries.reverse()
    told = (
        *_incomparable([run for run, _, _ in with_value]),
        *_without(chosen, [run for run, best, _ in without if best is not None]),
        *(
            f"{run.paths.run_id}: {best.doubt}"
            for run, best, _ in with_value
            if best and best.doubt
        ),
    )
    return Leaderboard(chosen, tuple(entries), (*note, *told, *notes))


def _incomparable(runs: Sequence[RunSummary]) -> tuple[str, ...]:
    """What a reader must know before comparing figures that were not measured alike."""
    notes = []
    found = (run.metadata.data.get("fingerprint") for run in runs)
    # As text: whatever stands in a file that was edited can then be compared.
    data = {str(fingerprint) for fingerprint in found if fingerprint is not None}
    if len(data) > 1:
        notes.append(
            f"These runs were measured on {len(data)} different data sets: "
            "their figures can't be compared."
        )
    silent = [run.paths.run_id for run in runs if "fingerprint" not in run.metadata.data]
    if data and silent:
        notes.append(f"Nothing says which data these were measured on: {_named(silent)}")
    limited = [run.paths.run_id for run in runs if run.limited]
    if limited:
        notes.append(f"Validated on a part of the graphs only: {_named(limited)}")
    return tuple(notes)


def _without(metric: str, runs: Sequence[RunSummary]) -> tuple[str, ...]:
    names = [run.paths.run_id for run in runs]
    return (f"No {metric} to be ranked by: {_named(names)}",) if names else ()


def _named(run_ids: Sequence[str]) -> str:
    more = f" and {len(run_ids) - _NAMED} more" if len(run_ids) > _NAMED else ""
    return ", ".join(run_ids[:_NAMED]) + more


def to_document(board: Leaderboard, limit: int | None = None) -> dict[str, Any]:
    """The first `limit` entries as JSON types; paths are absolute."""
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
                "metrics": {} if entry.best is None else _finite(entry.best.metrics),
                "created": entry.run.metadata.created,
                "training_seconds": _seconds(entry.run),
                "read_only": entry.run.read_only,
                "warnings": list(entry.run.warnings),
            }
            for entry in board.entries[:limit]
        ],
    }


def _seconds(run: RunSummary) -> float | None:
    """Return the training time; None where epochs were trained and nothing recorded it."""
    return run.seconds or (None if run.rows else 0.0)


def _metric(runs: Sequence[RunSummary], asked: str | None) -> tuple[str, tuple[str, ...]]:
    if asked not in (None, SELECTION):
        return asked or VAL_LOSS, ()
    ranked = [run for run in runs if run.rows]
    by_selection = [run for run in ranked if run.ranking_metric == SELECTION]
    if asked is None and not by_selection and ranked:
        return VAL_LOSS, ()
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
            f"no run has a metric '{metric}'", details=[f"there are: {', '.join(known)}"]
        )


def _bests(runs: Sequence[RunSummary], metric: str) -> list[tuple[RunSummary, Candidate | None]]:
    return [(run, run.best(metric)) for run in runs]


def _value(candidate: Candidate | None, metric: str) -> float | None:
    value = math.nan if candidate is None else candidate.metrics.get(metric, math.nan)
    return value if math.isfinite(value) else None


def _ranked(
    items: Sequence[tuple[RunSummary, Candidate | None, float | None]],
) -> list[Entry]:
    entries: list[Entry] = []
    for position, (run, best, value) in enumerate(items, start=1):
        tied = bool(entries) and entries[-1].value == value
        entries.append(Entry(entries[-1].rank if tied else position, run, best, value))
    return entries


def _finite(figures: Any) -> dict[str, float | None]:  # noqa: ANN401 - a mapping of floats
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
