"""Warnings about a run: what to know before its metrics are used, one line each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from topoqa_train.runs import metrics_file
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import RunSummary
from topoqa_train.views.json_models import Runtime

IN_PROGRESS = "training is in progress: these metrics may still change"
# An epoch in progress is reported if it takes this many times the slowest one, and this long.
_SLOWER = 5
_LONG_SECONDS = 120.0
_NAMED = 6
_ALIVE = (Status.CREATED, Status.RUNNING)


def warnings_of(run: RunSummary, runtime: Runtime) -> list[str]:
    """Return each warning once: state, checkpoints, metrics, data, and the run's own."""
    found = [
        *_state(run, runtime),
        *_checkpoints(run),
        *_metrics(run),
        *(["validated on a part of the graphs only"] if run.limited else []),
        *run.warnings,
        *run.metadata.warnings,
    ]
    return list(dict.fromkeys(found))


def of_coverage(document: Mapping[str, Any]) -> list[str]:
    """Return a line for each split of a dataset_coverage.json with missing graphs."""
    lines = []
    for split, part in document.items():
        missing = part.get("missing") if isinstance(part, Mapping) else None
        if isinstance(missing, Sequence) and not isinstance(missing, str) and missing:
            of = f" of {part['total']}" if "total" in part else ""
            lines.append(f"{split}: {len(missing)}{of} labelled decoys have no graph")
    return lines


def _state(run: RunSummary, runtime: Runtime) -> Iterator[str]:
    if run.read_only:
        yield f"{run.kind}: it can be read, but not resumed"
    if run.status in _ALIVE:
        yield IN_PROGRESS
        yield from _stalled(run, runtime)
    elif run.status == Status.INTERRUPTED:
        how = "process died" if run.metadata.status in _ALIVE else "interrupted"
        what_to_do = "" if run.read_only else "; resume it with: topoqa-train resume"
        yield f"{how} {_progress(runtime)}{what_to_do}"
    elif run.status == Status.FAILED:
        reason = (run.metadata.error or {}).get("message")
        yield f"failed {_progress(runtime)}" + (f": {reason}" if reason else "")


def _progress(runtime: Runtime) -> str:
    if not runtime.epochs_done:
        return "before the end of its first epoch"
    of = "" if runtime.num_epochs is None else f" of {runtime.num_epochs}"
    return f"after {runtime.epochs_done}{of} epochs"


def _stalled(run: RunSummary, runtime: Runtime) -> Iterator[str]:
    # A process that hangs in a driver or on a network disk looks alive, so time is the only sign.
    # The bounds are wide, because a shared machine can slow an epoch down by several times.
    seconds = [row["epoch_seconds"] for row in run.rows if row.get("epoch_seconds", 0.0) > 0]
    silent = runtime.open_epoch_seconds or 0.0
    if seconds and silent > max(_LONG_SECONDS, _SLOWER * max(seconds)):
        yield (
            f"no epoch has ended for {silent:.0f} s; "
            f"the slowest one took {max(seconds):.0f} s: it may hang"
        )


def _checkpoints(run: RunSummary) -> Iterator[str]:
    if not run.rows:
        yield "no epoch has ended yet" if run.status in _ALIVE else "no epoch was completed"
    elif not run.ranked:
        yield "it has no checkpoint"
    for name, target in sorted(run.shelf.broken.items()):
        yield f"{name} is a dangling link to {target}"
    for metric in (VAL_LOSS, SELECTION):
        yield from _lost_best(run, metric)


def _lost_best(run: RunSummary, metric: str) -> Iterator[str]:
    """Yield a line if the best epoch by `metric` has no checkpoint, though the run keeps those."""
    row = best_row(run.rows, metric)
    kept = run.checkpoints(metric)
    if row is None or not kept or (run.read_only and metric != run.ranking_metric):
        return
    # A row is written just before the checkpoint of its epoch, so the newest one of a live run
    # may have none yet.
    if run.status in _ALIVE and row is run.rows[-1]:
        return
    value = kept[0].metrics.get(metric, math.nan)
    # A NaN compares as false, so a checkpoint without the metric is reported too.
    if not value <= row[metric]:
        epoch = "" if kept[0].epoch is None else f", of epoch {kept[0].epoch}"
        yield (
            f"the best epoch by {metric}, {int(row['epoch'])}, has no checkpoint; "
            f"the best one that is kept has {value:.4f}{epoch}"
        )


def best_row(rows: Sequence[Mapping[str, float]], metric: str) -> Mapping[str, float] | None:
    """Return the row with the lowest finite `metric`; of equals the earlier."""
    finite = [row for row in rows if math.isfinite(row.get(metric, math.nan))]
    return min(finite, key=lambda row: (row[metric], row["epoch"]), default=None)


def _metrics(run: RunSummary) -> Iterator[str]:
    damaged = metrics_file.damaged_lines(run.paths.metrics)
    if damaged:
        yield f"skipped in the metrics, as no row of numbers: {_listed('line', damaged)}"
    done = run.metadata.progress.get("epochs_done")
    # While the run is running, a row is written before the metadata count it.
    if run.status not in _ALIVE and isinstance(done, int) and done > len(run.rows):
        yield f"of {done} completed epochs, {done - len(run.rows)} have no row in the metrics"
    for name in (VAL_LOSS, "val_spearman_corr", "train_mse"):
        lost = [int(row["epoch"]) for row in run.rows if not math.isfinite(row.get(name, math.nan))]
        if lost:
            yield f"{name} is not a number in {_listed('epoch', lost)}"
    # An undefined correlation counts as 0; on real data no measured one is exactly 0.
    constant = [
        int(row["epoch"])
        for row in run.rows
        if row.get("val_spearman_corr") == row.get("val_pearson_corr") == 0.0
    ]
    if constant:
        yield f"constant predictions, whose correlations count as 0: {_listed('epoch', constant)}"


def _listed(what: str, numbers: Sequence[int]) -> str:
    """Return `epoch 3`, or `epochs 3-7, 9`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    more = f" and {len(parts) - _NAMED} more ranges" if len(parts) > _NAMED else ""
    return f"{what}{'' if len(numbers) == 1 else 's'} {', '.join(parts[:_NAMED])}{more}"
