"""All runs of a folder, ranked. It only reads files, so it works while runs are written."""

from __future__ import annotations

from topoqa_train.clock import Clock
from topoqa_train.datasets import Progress
from topoqa_train.errors import RequestError
from topoqa_train.runs import leaderboard, summary
from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.store import RunStore, is_run

# Fewer runs are read too fast for a progress bar.
MANY = 100


def build(
    store: RunStore,
    clock: Clock,
    *,
    metric: str | None = None,
    reverse: bool = False,
    progress: Progress | None = None,
) -> Leaderboard:
    """Return the leaderboard of all runs under `store`, history included.

    Raises:
        RequestError: there is no such folder or no run in it, or no run has that metric.
    """
    runs = store.all()
    if not runs and is_run(store.root):
        raise RequestError(
            f"{store.root} is a run, not a folder of runs",
            hint=f"Its folder is {store.root.parent}. To show this run alone: "
            f"topoqa-train summarise --run-dir {store.root}",
        )
    if not runs:
        raise RequestError(
            f"there are no runs under {store.root}",
            hint="Start one with topoqa-train pipeline, or name their folder with --run-root.",
        )
    if progress is None or len(runs) < MANY:
        good, unreadable = summary.read_all(runs, clock)
    else:
        with progress("reading runs", len(runs)) as advance:
            good, unreadable = summary.read_all(runs, clock, advance)
    return leaderboard.rank(good, metric=metric, reverse=reverse, notes=unreadable)
