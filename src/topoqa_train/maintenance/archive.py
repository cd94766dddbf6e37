"""Move finished runs to `history/`, or back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from topoqa_train import log
from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import history, summary
from topoqa_train.runs.paths import HISTORY, RunPaths
from topoqa_train.runs.store import RunStore

_log = log.get(__name__)


def archive(store: RunStore, names: Sequence[str], clock: Clock) -> list[RunPaths]:
    """Move the runs called `names` to `history/`, all of them or none; return where they are now.

    Raises:
        RequestError: one does not exist, may not be moved, or is in `history/` already.
    """
    runs = [store.find(name) for name in dict.fromkeys(names)]
    # All are checked before the first is moved, so that an error leaves nothing half done.
    held = history.held(store, clock)
    _check({run.run_id: held.get(run.run_id) or _obstacle(store, run, back=False) for run in runs})
    return [_moved(store, run, clock) for run in runs]


def _check(obstacles: Mapping[str, str | None]) -> None:
    lines = [f"{run_id} {why}" for run_id, why in obstacles.items() if why]
    if lines:
        raise RequestError("these runs stay where they are; nothing was moved", details=lines)


def _obstacle(store: RunStore, run: RunPaths, *, back: bool) -> str | None:
    """Return why a run can't be moved, apart from the reasons in `history.held`."""
    if (run.root.parent == store.root / HISTORY) != back:
        return f"is not in {HISTORY}/" if back else f"is in {HISTORY}/ already"
    if history.is_tied(run):
        return "has absolute links that a move would break"
    return None


def _moved(store: RunStore, run: RunPaths, clock: Clock) -> RunPaths:
    with history.writing(summary.glance(run, clock)):
        return history.move(store, run)


def archive_old(store: RunStore, keep: int | None, clock: Clock) -> list[RunPaths]:
    """Move finished runs beyond the newest `keep` (default: as at a start) to `history/`.

    Raises:
        RequestError: there is no folder of runs.
    """
    store.require()
    return history.tidy(
        store, clock, keep=history.keep_runs() if keep is None else keep, warn=_log.warning
    )


def restore(store: RunStore, names: Sequence[str]) -> list[RunPaths]:
    """Move the runs called `names` out of `history/`, all of them or none.

    Raises:
        RequestError: one does not exist or is not in `history/`, or its name is taken.
    """
    runs = [store.find(name) for name in dict.fromkeys(names)]
    _check({run.run_id: _obstacle(store, run, back=True) for run in runs})
    return [history.restore(store, run) for run in runs]
