"""How long a training took and how long it will take, estimated from the times of its epochs.

`pace` holds the 10th, 50th and 90th percentile of the last 20 epochs' times. At most
`most = num_epochs - epochs_done` epochs remain. With early stopping and no further improvement
these are `fewest = min(most, max(1, patience) - epochs without improvement)`. Then

    best   = fewest at pace.fast
    median = most at pace.median
    worst  = most at pace.slow

where `n at p` is `(n - 1) * p + max(0, p - open)` seconds and `open` is the time of the epoch in
progress. `worst` is not a bound: a machine can become slower.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from topoqa_train.clock import Clock
from topoqa_train.runs.status import Status, modified
from topoqa_train.runs.summary import RunSummary
from topoqa_train.views.json_models import EpochsLeft, Pace, Runtime, TimeLeft

RECENT = 20
_FAST, _SLOW = 0.1, 0.9


@dataclass(frozen=True)
class Progress:
    """How far a training has come; `seconds` are the known times of its epochs.

    `total_seconds` is the time of all epochs, for those without times of their own; `open_seconds`
    is None unless the training is running.
    """

    epochs_done: int
    num_epochs: int | None
    patience: int | None
    without_improvement: int
    seconds: Sequence[float]
    total_seconds: float | None
    open_seconds: float | None


def runtime_of(run: RunSummary, clock: Clock) -> Runtime:
    """Return the measured times of a run, and the estimates that this module describes."""
    running = run.status in (Status.CREATED, Status.RUNNING)
    return estimate(
        Progress(
            epochs_done=int(max((row["epoch"] for row in run.rows), default=-1)) + 1,
            num_epochs=_whole(run.parameters.get("num_epochs")),
            patience=_whole(run.parameters.get("early_stopping_patience")),
            without_improvement=epochs_without_improvement(run.rows, run.ranking_metric),
            seconds=[row.get("epoch_seconds", math.nan) for row in run.rows],
            total_seconds=run.recorded_seconds,
            open_seconds=_since_last_write(run, clock) if running else None,
        )
    )


def estimate(progress: Progress) -> Runtime:
    """Return the estimates for a training."""
    seconds = [value for value in progress.seconds if math.isfinite(value) and value >= 0]
    mean = _mean(progress, seconds)
    pace = _pace(seconds, mean)
    left = _epochs_left(progress)
    return Runtime(
        epochs_done=progress.epochs_done,
        num_epochs=progress.num_epochs,
        elapsed_seconds=_elapsed(progress, seconds),
        open_epoch_seconds=progress.open_seconds,
        mean_epoch_seconds=mean,
        median_epoch_seconds=statistics.median(seconds) if seconds else None,
        pace=pace,
        epochs_left=left,
        time_left=_time_left(left, pace, progress.open_seconds or 0.0),
    )


def epochs_without_improvement(rows: Sequence[Mapping[str, float]], metric: str) -> int:
    """Return the number of epochs since the best `metric`; a NaN is not an improvement."""
    best, waited = math.inf, 0
    for row in rows:
        value = row.get(metric, math.nan)
        if value < best and math.isfinite(value):
            best, waited = value, 0
        else:
            waited += 1
    return waited


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _since_last_write(run: RunSummary, clock: Clock) -> float:
    """Return the time since metadata or metrics were written, as at the end of each epoch."""
    last = max(modified(file) for file in (run.paths.metadata, *run.tables))
    # The disk's clock may be ahead of this machine's.
    return max(0.0, clock.now().timestamp() - last) if last else 0.0


def _elapsed(progress: Progress, seconds: Sequence[float]) -> float | None:
    if seconds:
        return math.fsum(seconds) + (progress.open_seconds or 0.0)
    return progress.total_seconds if progress.total_seconds is not None else progress.open_seconds


def _mean(progress: Progress, seconds: Sequence[float]) -> float | None:
    if seconds:
        return math.fsum(seconds) / len(seconds)
    if progress.total_seconds is None or not progress.epochs_done:
        return None
    return progress.total_seconds / progress.epochs_done


def _pace(seconds: Sequence[float], mean: float | None) -> Pace | None:
    # Only recent epochs: the first ones are slow while caches fill, and the load changes.
    recent = sorted(seconds[-RECENT:])
    if recent:
        return Pace(
            fast=_quantile(recent, _FAST),
            median=statistics.median(recent),
            slow=_quantile(recent, _SLOW),
        )
    return None if mean is None else Pace(fast=mean, median=mean, slow=mean)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile, interpolated linearly."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _epochs_left(progress: Progress) -> EpochsLeft | None:
    if progress.open_seconds is None or progress.num_epochs is None:
        return None
    most = max(0, progress.num_epochs - progress.epochs_done)
    if progress.patience is None:
        return EpochsLeft(fewest=most, most=most)
    # A patience of 0 stops at the first epoch without improvement, as 1 does.
    until_stop = max(0, max(1, progress.patience) - progress.without_improvement)
    return EpochsLeft(fewest=min(most, until_stop), most=most)


def _time_left(left: EpochsLeft | None, pace: Pace | None, gone: float) -> TimeLeft | None:
    if left is None or pace is None:
        return None
    return TimeLeft(
        best=_at(left.fewest, pace.fast, gone),
        median=_at(left.most, pace.median, gone),
        worst=_at(left.most, pace.slow, gone),
    )


def _at(epochs: int, pace: float, gone: float) -> float:
    return (epochs - 1) * pace + max(0.0, pace - gone) if epochs else 0.0
