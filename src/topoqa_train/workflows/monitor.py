"""The best checkpoint of a run, now or as it trains. Reads files alone: no process is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import caveats, documents, estimates, summary
from topoqa_train.runs.documents import LearningRate, MonitorDocument
from topoqa_train.runs.paths import HISTORY, RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore

# A run on its way to another place is for a moment in neither.
_SEARCHES = 5
_SEARCH_SECONDS = 0.2
Wait = Callable[[float], None]
Shown = Callable[[Path], Path]


def look(paths: RunPaths, clock: Clock, shown: Shown) -> MonitorDocument:
    """The run in `paths` now, with its whole history; paths in it stand as `shown` gives them.

    Raises:
        RequestError: there is no run, or it can't be read.
    """
    run = summary.read(paths, clock)
    runtime = estimates.runtime_of(run, clock)
    kept = [documents.checkpoint(each, str(shown(each.path))) for each in run.checkpoints()]
    best, second, third, *_ = [*kept, None, None, None]
    rows = [documents.epoch_metrics(row) for row in run.rows]
    return MonitorDocument(
        run_id=paths.run_id,
        run_dir=str(shown(paths.root)),
        status=run.status,
        reference=run.foreign,
        ranking_metric=run.ranking_metric,
        best=best,
        second_best=second,
        third_best=third,
        latest=rows[-1] if rows else None,
        learning_rate=learning_rate(run.rows),
        learning_parameters=dict(run.parameters),
        metrics_history=rows,
        runtime=runtime,
        warnings=caveats.caveats(run, runtime),
    )


def follow(
    paths: RunPaths, clock: Clock, shown: Shown, *, interval: float, wait: Wait
) -> Iterator[MonitorDocument]:
    """Look at one run every `interval` seconds, until it no longer runs; its end is the last look.

    It stays with its run: when that is moved to `history/` it is found there by its name, and a
    newer run is none of its business. `wait` is called with the seconds to wait.

    Raises:
        RequestError: the run can't be read, or it was deleted meanwhile.
    """
    document = look(paths, clock, shown)
    yield document
    while document.status in (Status.CREATED, Status.RUNNING):
        wait(interval)
        paths, document = _look_again(paths, clock, shown, wait)
        yield document


def _look_again(
    paths: RunPaths, clock: Clock, shown: Shown, wait: Wait
) -> tuple[RunPaths, MonitorDocument]:
    for _ in range(_SEARCHES):
        try:
            document = look(paths, clock, shown)
            # Moved while it was read, it may have seemed to have no metrics.
            if paths.metadata.is_file():
                return paths, document
        except RequestError:
            if paths.metadata.is_file():
                raise
        moved = _places(paths)
        if moved:
            paths = moved[0]
        else:
            wait(_SEARCH_SECONDS)
    raise RequestError(
        f"run {paths.run_id} is gone: it was deleted or renamed while it was followed",
        details=[str(paths.root)],
        hint="topoqa-train leaderboard lists the runs there are.",
    )


def _places(paths: RunPaths) -> list[RunPaths]:
    """Where a run of that name is now, of the folder of runs that it was in."""
    folder = paths.root.parent
    root = folder.parent if folder.name == HISTORY else folder
    return [found for found in RunStore(root).all() if found.run_id == paths.run_id]


def learning_rate(rows: Sequence[Mapping[str, float]]) -> LearningRate | None:
    """The last learning rate in `rows`, and until when it was another."""
    rates = [(int(row["epoch"]), row.get("learning_rate", math.nan)) for row in rows]
    known = [(epoch, rate) for epoch, rate in rates if math.isfinite(rate)]
    if not known:
        return None
    _, value = known[-1]
    before = [(epoch, rate) for epoch, rate in known if rate != value]
    epoch, rate = before[-1] if before else (None, None)
    return LearningRate(value=value, before=rate, before_until_epoch=epoch)
