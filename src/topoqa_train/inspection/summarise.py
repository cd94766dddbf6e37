"""Everything about one run, as one document. It only reads files, also while they are written."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from topoqa_train import bounded_read
from topoqa_train.clock import Clock
from topoqa_train.runs import summary
from topoqa_train.runs.metadata import MAXIMUM_BYTES
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS
from topoqa_train.runs.summary import Candidate, RunSummary
from topoqa_train.views import diagnostics, eta, json_models
from topoqa_train.views.json_models import (
    Checkpoint,
    EpochMetrics,
    RankedCheckpoint,
    SummaryDocument,
)


def summarise(paths: RunPaths, clock: Clock) -> SummaryDocument:
    """Return the summary of a run; raise `RequestError` if there is none."""
    return summary.steady(paths, lambda place: _summarise(place, clock))


def _summarise(paths: RunPaths, clock: Clock) -> SummaryDocument:
    run = summary.read(paths, clock)
    runtime = eta.runtime_of(run, clock)
    coverage, no_coverage = _document(paths.coverage)
    features, no_features = _document(paths.feature_metadata)
    kept = run.checkpoints()
    return SummaryDocument(
        run_id=paths.run_id,
        run_dir=str(paths.root),
        status=run.status,
        read_only=run.read_only,
        metadata=json_models.plain(run.metadata),
        learning_parameters=dict(run.parameters),
        selection={
            name: value
            for name, value in run.metadata.selection.items()
            if name != "ranking_metric"
        },
        ranking_metric=run.ranking_metric,
        metrics_history=[json_models.epoch_metrics(row) for row in run.rows],
        best_by_val_loss=_best(run, VAL_LOSS),
        best_by_selection_metric=_best(run, SELECTION),
        best_epochs=_best_epochs(run),
        checkpoint_ranking=[_ranked(run, place, each) for place, each in enumerate(kept, start=1)],
        last_checkpoint=paths.relative(run.shelf.last) if run.shelf.last else None,
        links={link: each.path.name for each in kept for link in each.links},
        broken_links=dict(run.shelf.broken),
        coverage=coverage,
        feature_schema=features,
        runtime=runtime,
        warnings=[
            *diagnostics.warnings_of(run, runtime),
            *diagnostics.of_coverage(coverage or {}),
            *no_coverage,
            *no_features,
        ],
    )


def _best(run: RunSummary, metric: str) -> Checkpoint | None:
    kept = run.checkpoints(metric)
    if not kept or not math.isfinite(kept[0].metrics.get(metric, math.nan)):
        return None
    return json_models.checkpoint(kept[0], run.paths.relative(kept[0].path))


def _ranked(run: RunSummary, rank: int, candidate: Candidate) -> RankedCheckpoint:
    shown = json_models.checkpoint(candidate, run.paths.relative(candidate.path))
    return RankedCheckpoint(rank=rank, **dict(shown))


def _best_epochs(run: RunSummary) -> dict[str, EpochMetrics]:
    rows = {metric: diagnostics.best_row(run.rows, metric) for metric in (VAL_LOSS, SELECTION)}
    return {
        metric: json_models.epoch_metrics(row) for metric, row in rows.items() if row is not None
    }


def _document(path: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """Return a JSON object of the run, or None and a warning."""
    try:
        document = json.loads(bounded_read.content(path, MAXIMUM_BYTES))
    except FileNotFoundError:
        return None, []
    except (OSError, ValueError, RecursionError) as error:
        reason = isinstance(error, OSError) and error.strerror
        return None, [f"{path.name} can't be read: {reason or error}"]
    if not isinstance(document, Mapping):
        return None, [f"{path.name} holds no JSON object"]
    return dict(document), []
