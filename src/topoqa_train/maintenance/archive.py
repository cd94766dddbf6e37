"""Finished runs put into `history/`, or taken out of it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from topoqa_train import log
from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import history, lock, summary
from topoqa_train.runs.paths import HISTORY, RunPaths
from topoqa_train.runs.store import RunStore

_log = log.get(__name__)


def put_aside(store: RunStore, names: Sequence[str], clock: Clock) -> list[RunPaths]:
    """Move the runs called `names` to `history/`, all of them or none; says where they are now.

    Raises:
        RequestError: one is not there, is held by something, or is in `history/` already.
    """
    runs = [store.find(name) for name in dict.fromkeys(names)]
    held = history.held(store, clock)
    _check(
        {run.run_id: held.get(run.run_id) or _fault(store, run, clock, aside=False) for run in runs}
    )
    return [_moved(store, run, clock) for run in runs]


def _check(faults: Mapping[str, str | None]) -> None:
    lines = [f"{run_id} {why}" for run_id, why in faults.items() if why]
    if lines:
        raise RequestError("these runs stay where they are; nothing was moved", details=lines)


def _fault(store: RunStore, run: RunPaths, clock: Clock, *, aside: bool) -> str | None:
    """What keeps a run from being moved, apart from what holds it."""
    if (run.root.parent == store.root / HISTORY) != aside:
        return f"is not in {HISTORY}/" if aside else f"is in {HISTORY}/ already"
    if history.is_tied(summary.glance(run, clock)):
        return "is a run of the reference with links that would break"
    return None


def _moved(store: RunStore, run: RunPaths, clock: Clock) -> RunPaths:
    with nullcontext() if summary.glance(run, clock).foreign else lock.writing(run):
        return history.move(store, run)


def tidy(store: RunStore, keep: int | None, clock: Clock) -> list[RunPaths]:
    """Move finished runs beyond the newest `keep` (default: as at a start) to `history/`.

    Raises:
        RequestError: there is no folder of runs.
    """
    store.require()
    return history.tidy(
        store, clock, keep=history.keep_runs() if keep is None else keep, warn=_log.warning
    )


def take_back(store: RunStore, names: Sequence[str], clock: Clock) -> list[RunPaths]:
    """Move the runs called `names` out of `history/`, all of them or none.

    Raises:
        RequestError: one is not there or not in `history/`, or its name is taken.
    """
    runs = [store.find(name) for name in dict.fromkeys(names)]
    _check({run.run_id: _fault(store, run, clock, aside=True) for run in runs})
    return [history.restore(store, run) for run in runs]
