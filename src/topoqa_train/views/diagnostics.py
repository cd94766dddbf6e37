"""What a reader must know before using a run's figures, in lines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from topoqa_train.runs import metrics_file
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import RunSummary
from topoqa_train.views.json_models import Runtime

IN_PROGRESS = "training is in progress: these figures may still change"
# An open epoch that takes so many times the slowest one, and so long, is worth a word.
_SLOWER = 5
_LONG_SECONDS = 120.0
_NAMED = 6
_ALIVE = (Status.CREATED, Status.RUNNING)


def caveats(run: RunSummary, runtime: Runtime) -> list[str]:
    """Each line once: state, checkpoints, figures, data, and what the run itself said."""
    found = [
        *_state(run, runtime),
        *_checkpoints(run),
        *_figures(run),
        *([] if not run.limited else ["validated on a part of the graphs only"]),
        *run.warnings,
        *run.metadata.warnings,
    ]
    return list(dict.fromkeys(found))


def of_coverage(document: Mapping[str, Any]) -> list[str]:
    """Splits of a dataset_coverage.json that lack graphs."""
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
        died = run.metadata.status in _ALIVE
        how = "its process is gone without a word" if died else "interrupted"
        ways = "" if run.read_only else ": topoqa-train resume goes on with it"
        yield f"{how}, {_how_far(runtime)}{ways}"
    elif run.status == Status.FAILED:
        said = (run.metadata.error or {}).get("message")
        yield f"failed, {_how_far(runtime)}" + (f": {said}" if said else "")


def _how_far(runtime: Runtime) -> str:
    if not runtime.epochs_done:
        return "before its first epoch's end"
    of = "" if runtime.num_epochs is None else f" of {runtime.num_epochs}"
    return f"after {runtime.epochs_done}{of} epochs"


def _stalled(run: RunSummary, runtime: Runtime) -> Iterator[str]:
    seconds = [row["epoch_seconds"] for row in run.rows if row.get("epoch_seconds", 0.0) > 0]
    silent = runtime.open_epoch_seconds or 0.0
    if seconds and silent > max(_LONG_SECONDS, _SLOWER * max(seconds)):
        yield (
            f"no epoch has ended for {silent:.0f} s; "
            f"the slowest before took {max(seconds):.0f} s: does it hang?"
        )


def _checkpoints(run: RunSummary) -> Iterator[str]:
    kept = run.checkpoints()
    if not run.rows:
        yield "no epoch is whole yet" if run.status in _ALIVE else "no epoch was ever whole"
    elif not kept:
        yield "there is no checkpoint of it"
    for name, target in sorted(run.broken_links.items()):
        yield f"{name} leads to no file ({target})"
    for metric in (VAL_LOSS, SELECTION):
        yield from _lost_best(run, metric)


def _lost_best(run: RunSummary, metric: str) -> Iterator[str]:
    """The best epoch that no file is kept of, where the run keeps its best by that metric."""
    row = best_row(run.rows, metric)
    kept = run.checkpoints(metric)
    if row is None or not kept or (run.read_only and metric != run.ranking_metric):
        return
    if run.status in _ALIVE and row is run.rows[-1]:
        return  # an epoch's row is written just before its checkpoint
    value = kept[0].metrics.get(metric, math.nan)
    if not value <= row[metric]:
        epoch = "" if kept[0].epoch is None else f", of epoch {kept[0].epoch}"
        yield (
            f"the best epoch by {metric}, {int(row['epoch'])}, has no checkpoint; "
            f"the best that is kept has {value:.4f}{epoch}"
        )


def best_row(rows: Sequence[Mapping[str, float]], metric: str) -> Mapping[str, float] | None:
    """The row with the lowest finite `metric`; of equals the earlier."""
    finite = [row for row in rows if math.isfinite(row.get(metric, math.nan))]
    return min(finite, key=lambda row: (row[metric], row["epoch"]), default=None)


def _figures(run: RunSummary) -> Iterator[str]:
    damaged = metrics_file.damaged_lines(run.paths.metrics)
    if damaged:
        yield f"left out of the metrics, as no row of numbers: {_listed('line', damaged)}"
    done = run.metadata.progress.get("epochs_done")
    # While it is at work, a row is written before the metadata count it.
    if run.status not in _ALIVE and isinstance(done, int):
        missing = done - len(run.rows)
        if missing > 0:
            yield f"of {done} epochs that were done, {missing} have no row in the metrics"
    for name in (VAL_LOSS, "val_spearman_corr", "train_mse"):
        lost = [int(row["epoch"]) for row in run.rows if not math.isfinite(row.get(name, math.nan))]
        if lost:
            yield f"{name} is no number in {_listed('epoch', lost)}"
    # Undefined correlations count as 0, and no measured one is 0 exactly on real data.
    constant = [
        int(row["epoch"])
        for row in run.rows
        if row.get("val_spearman_corr") == row.get("val_pearson_corr") == 0.0
    ]
    if constant:
        yield f"constant predictions, whose correlations count as 0: {_listed('epoch', constant)}"


def _listed(what: str, numbers: Sequence[int]) -> str:
    """`epoch 3`, `epochs 3-7, 9`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    more = len(parts) - _NAMED
    named = ", ".join(parts[:_NAMED]) + (f" and {more} more stretches" if more > 0 else "")
    return f"{what}{'' if len(numbers) == 1 else 's'} {named}"
