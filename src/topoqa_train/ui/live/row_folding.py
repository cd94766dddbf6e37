"""Choice of the jobs to show where the screen has fewer lines than there are jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from topoqa_train.ui.live.job_state import JobView


@dataclass(frozen=True)
class Fold:
    """Adjacent jobs that share one line."""

    views: tuple[JobView, ...]

    @property
    def text(self) -> str:
        """How many jobs are in each state: `… 7 done, 1 training, 9 waiting`."""
        states = Counter(view.state for view in self.views)
        return "… " + ", ".join(f"{count} {state}" for state, count in states.items())

    @property
    def best_text(self) -> str:
        """The best value so far of these jobs; lower is better."""
        ranked = [view for view in self.views if view.best is not None]
        return min(ranked, key=lambda view: view.best or 0.0).best_text if ranked else ""


Row = JobView | Fold


def rows(views: Sequence[JobView], height: int) -> list[Row]:
    """Return `views` in at most `height` rows, in their order.

    Running jobs come first, then failed ones, then the neighbours of running ones. Every stretch of
    other jobs is folded into one row.
    """
    if len(views) <= height:
        return list(views)
    order = _by_priority(views)
    # Showing one job may split a fold in two, so the number of rows is known only when it is tried.
    for count in range(height, -1, -1):
        folded = _folded(views, set(order[:count]))
        if len(folded) <= max(1, height):
            return folded
    return [Fold(tuple(views))]


def _by_priority(views: Sequence[JobView]) -> list[int]:
    started = [place for place, view in enumerate(views) if view.state != "waiting"]
    running = [place for place in started if views[place].running]
    middle = (running or started or [0])[-1]

    def priority(place: int) -> tuple[int, int]:
        view = views[place]
        if view.running:
            return (0, place)
        return (1 if view.state in ("failed", "stopped") else 2, abs(place - middle))

    return sorted(range(len(views)), key=priority)


def _folded(views: Sequence[JobView], shown: set[int]) -> list[Row]:
    found: list[Row] = []
    for is_shown, group in groupby(range(len(views)), key=shown.__contains__):
        stretch = [views[place] for place in group]
        # Folding a single job would save no line.
        found += stretch if is_shown or len(stretch) == 1 else [Fold(tuple(stretch))]
    return found
