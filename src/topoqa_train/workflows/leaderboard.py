"""All runs of a folder, ranked. Reads files alone, so it works while they are written."""

from __future__ import annotations

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import board, summary
from topoqa_train.runs.board import Leaderboard
from topoqa_train.runs.store import RunStore


def build(
    store: RunStore, clock: Clock, *, metric: str | None = None, reverse: bool = False
) -> Leaderboard:
    """The board of all runs under `store`, history included.

    Raises:
        RequestError: there is no such folder or no run in it, or no run has that metric.
    """
    runs = store.all()
    if not runs:
        raise RequestError(
            f"there are no runs under {store.root}",
            hint="Start one with topoqa-train pipeline, or name their folder with --run-root.",
        )
    good, unreadable = summary.read_all(runs, clock)
    return board.rank(good, metric=metric, reverse=reverse, notes=unreadable)
