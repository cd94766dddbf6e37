"""Which jobs a screen shows where it has not the lines for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from topoqa_train.ui.live.job_state import JobView


@dataclass(frozen=True)
class Fold:
    """Jobs next to one another that stand in one line."""

    views: tuple[JobView, ...]

    @property
    def words(self) -> str:
        """`… 7 done, 1 trains, 9 wait`."""
        states = Counter(view.state for view in self.views)
        return "… " + ", ".join(
            f"{count} {state if count == 1 else state.removesuffix('s')}"
            for state, count in states.items()
        )

    @property
    def best(self) -> JobView | None:
        """The one with the best figure so far; lower is better."""
        ranked = [view for view in self.views if view.best is not None]
        return min(ranked, key=lambda view: view.best or 0.0, default=None)


Row = JobView | Fold


def rows(views: Sequence[JobView], room: int) -> list[Row]:
    """`views` in at most `room` lines, in their order.

    What runs is shown first of all, then what failed, then the neighbours of what runs; the others
    are folded, with a line for each stretch of them.
    """
    if len(views) <= room:
        return list(views)
    order = _by_weight(views)
    for shown in range(room, -1, -1):
        found = _folded(views, set(order[:shown]))
        if len(found) <= max(1, room):
            return found
    return [Fold(tuple(views))]


def _by_weight(views: Sequence[JobView]) -> list[int]:
    begun = [place for place, view in enumerate(views) if view.state != "waits"]
    running = [place for place in begun if views[place].running]
    middle = (running or begun or [0])[-1]

    def weight(place: int) -> tuple[int, int]:
        view = views[place]
        if view.running:
            return (0, place)
        return (1 if view.state in ("failed", "stopped") else 2, abs(place - middle))

    return sorted(range(len(views)), key=weight)


def _folded(views: Sequence[JobView], shown: set[int]) -> list[Row]:
    found: list[Row] = []
    for stands, group in groupby(range(len(views)), key=shown.__contains__):
        stretch = [views[place] for place in group]
        # A line for one job might as well be its own.
        found += stretch if stands or len(stretch) == 1 else [Fold(tuple(stretch))]
    return found
