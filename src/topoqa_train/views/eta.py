"""How long a training took and how long it will take, from what its epochs took.

An epoch takes what epochs of late took: `pace` holds the 10th, 50th and 90th percentile of the
last 20. Epochs left are `most = num_epochs - epochs_done`, and `fewest`, which early stopping
leaves if no epoch is a gain any more: `min(most, max(1, patience) - epochs without a gain)`. Then

    best   = fewest at pace.fast
    median = most at pace.median
    worst  = most at pace.slow

where `n at p` is `(n - 1) * p + max(0, p - open)` seconds and `open` is how long the epoch that is
under way has taken. `worst` is no bound: a machine can always become slower.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from topoqa_train.clock import Clock
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import RunSummary
from topoqa_train.views.json_models import EpochsLeft, Pace, Runtime, TimeLeft

RECENT = 20
_FAST, _SLOW = 0.1, 0.9


@dataclass(frozen=True)
class Course:
    """How far a training has come. `seconds` are the times of its epochs, as far as known.

    `total_seconds` is the whole, for epochs that have no times of their own; `open_seconds` is
    None unless the training runs.
    """

    epochs_done: int
    num_epochs: int | None
    patience: int | None
    without_gain: int
    seconds: Sequence[float]
    total_seconds: float | None
    open_seconds: float | None


def runtime_of(run: RunSummary, clock: Clock) -> Runtime:
    """Measured times of a run, and the estimates that this module describes."""
    running = run.status in (Status.CREATED, Status.RUNNING)
    return estimate(
        Course(
            epochs_done=int(max((row["epoch"] for row in run.rows), default=-1)) + 1,
            num_epochs=_whole(run.parameters.get("num_epochs")),
            patience=_whole(run.parameters.get("early_stopping_patience")),
            without_gain=epochs_without_gain(run.rows, run.ranking_metric),
            seconds=[row.get("epoch_seconds", math.nan) for row in run.rows],
            total_seconds=run.recorded_seconds,
            open_seconds=_since_last_write(run, clock) if running else None,
        )
    )


def estimate(course: Course) -> Runtime:
    """The estimates for a training that has come so far."""
    seconds = [value for value in course.seconds if math.isfinite(value) and value >= 0]
    mean = _mean(course, seconds)
    pace = _pace(seconds, mean)
    left = _epochs_left(course)
    return Runtime(
        epochs_done=course.epochs_done,
        num_epochs=course.num_epochs,
        elapsed_seconds=_elapsed(course, seconds),
        open_epoch_seconds=course.open_seconds,
        mean_epoch_seconds=mean,
        median_epoch_seconds=statistics.median(seconds) if seconds else None,
        pace=pace,
        epochs_left=left,
        time_left=_time_left(left, pace, course.open_seconds or 0.0),
    )


def epochs_without_gain(rows: Sequence[Mapping[str, float]], metric: str) -> int:
    """Epochs since `metric` was last lower than ever before; a NaN is no gain."""
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
    """The metadata are written when a run or a sitting begins and at each epoch's end."""
    moments = []
    for file in (run.paths.metadata, *run.tables):
        with suppress(OSError):
            moments.append(file.stat().st_mtime)
    return max(0.0, clock.now().timestamp() - max(moments, default=math.inf))


def _elapsed(course: Course, seconds: Sequence[float]) -> float | None:
    if seconds:
        return math.fsum(seconds) + (course.open_seconds or 0.0)
    return course.total_seconds if course.total_seconds is not None else course.open_seconds


def _mean(course: Course, seconds: Sequence[float]) -> float | None:
    if seconds:
        return math.fsum(seconds) / len(seconds)
    if course.total_seconds is None or not course.epochs_done:
        return None
    return course.total_seconds / course.epochs_done


def _pace(seconds: Sequence[float], mean: float | None) -> Pace | None:
    recent = sorted(seconds[-RECENT:])
    if recent:
        return Pace(
            fast=_quantile(recent, _FAST),
            median=statistics.median(recent),
            slow=_quantile(recent, _SLOW),
        )
    return None if mean is None else Pace(fast=mean, median=mean, slow=mean)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between the two nearest."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _epochs_left(course: Course) -> EpochsLeft | None:
    if course.open_seconds is None or course.num_epochs is None:
        return None
    most = max(0, course.num_epochs - course.epochs_done)
    if course.patience is None:
        return EpochsLeft(fewest=most, most=most)
    until_stop = max(0, max(1, course.patience) - course.without_gain)
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
