"""The best checkpoint of a run, now or while it trains. It only reads files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import current_place, is_run
from topoqa_train.views import diagnostics, eta, json_models
from topoqa_train.views.json_models import LearningRate, MonitorDocument

Shown = Callable[[Path], Path | str]
Wait = Callable[[float], None]
_SEARCHES = 5
_SEARCH_SECONDS = 0.2


def look(paths: RunPaths, clock: Clock, shown: Shown) -> MonitorDocument:
    """Return the present state of a run and its whole history, with paths as `shown` gives them.

    Raises:
        RequestError: there is no run, or it can't be read.
    """
    run = summary.read(paths, clock)
    runtime = eta.runtime_of(run, clock)
    kept = [json_models.checkpoint(each, str(shown(each.path))) for each in run.checkpoints()]
    best, second, third, *_ = [*kept, None, None, None]
    rows = [json_models.epoch_metrics(row) for row in run.rows]
    return MonitorDocument(
        run_id=run.paths.run_id,
        run_dir=str(shown(run.paths.root)),
        status=run.status,
        read_only=run.read_only,
        ranking_metric=run.ranking_metric,
        best=best,
        second_best=second,
        third_best=third,
        latest=rows[-1] if rows else None,
        learning_rate=learning_rate(run.rows),
        learning_parameters=dict(run.parameters),
        metrics_history=rows,
        runtime=runtime,
        warnings=diagnostics.warnings_of(run, runtime),
    )


def follow(
    paths: RunPaths, clock: Clock, shown: Shown, *, interval: float, wait: Wait
) -> Iterator[MonitorDocument]:
    """Yield the state of a run every `interval` seconds, the last time after it has ended.

    A run that is moved to `history/` meanwhile is found there by its name. `wait` is called with
    the seconds to wait.

    Raises:
        RequestError: the run can't be read, or was deleted meanwhile.
    """
    document = look(paths, clock, shown)
    yield document
    while document.status in (Status.CREATED, Status.RUNNING):
        wait(interval)
        document = _look_patiently(paths, clock, shown, wait)
        yield document


def _look_patiently(paths: RunPaths, clock: Clock, shown: Shown, wait: Wait) -> MonitorDocument:
    """Return the state of a run, which for a moment may be nowhere while it is moved."""
    # A move within a disk is one rename, but readers look into two folders one after the other.
    for _ in range(_SEARCHES):
        try:
            return look(paths, clock, shown)
        except RequestError as error:
            last = error
        wait(_SEARCH_SECONDS)
    if is_run(current_place(paths).root):
        raise last
    raise RequestError(
        f"run {paths.run_id} is gone: it was deleted or renamed meanwhile",
        details=[str(paths.root)],
        hint="To list all runs: topoqa-train leaderboard",
    ) from last


def learning_rate(rows: Sequence[Mapping[str, float]]) -> LearningRate | None:
    """Return the last learning rate in `rows`, the one before, and until when that held."""
    rates = [(int(row["epoch"]), row.get("learning_rate", math.nan)) for row in rows]
    known = [(epoch, rate) for epoch, rate in rates if math.isfinite(rate)]
    if not known:
        return None
    _, value = known[-1]
    before = [(epoch, rate) for epoch, rate in known if rate != value]
    epoch, rate = before[-1] if before else (None, None)
    return LearningRate(value=value, before=rate, before_until_epoch=epoch)
