"""What every way of showing jobs at work shares: their views, fed by the reports."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from topoqa_train.clock import Clock
from topoqa_train.runs.events import Event, RunEnded
from topoqa_train.ui import formatting
from topoqa_train.ui.live.job_state import JobView
from topoqa_train.views.progress import Plan


def headline(plan: Plan) -> list[str]:
    """What is about to be done, in a line or two."""
    phases = [f"{len(phase.jobs)} in {phase.name}" for phase in plan.phases]
    lines = [f"{plan.title}: {', '.join(phases) or 'nothing to train'}; {plan.at_once} at once"]
    lines += [
        f"data: {data.name}, {data.targets} complexes, {formatting.splits(data.graphs)}, "
        f"coverage {formatting.percent(data.coverage)}"
        for data in plan.data
    ]
    return lines


class Jobs:
    """The jobs of a plan and what is known of each."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.views: dict[str, JobView] = {}
        self.shown_plan: Plan | None = None
        self.at_once = 1
        self.began = clock.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to take down, where nothing was put up."""

    def plan(self, plan: Plan) -> None:
        """See `Reporter.plan`."""
        self.shown_plan, self.at_once = plan, plan.at_once
        for job in plan.jobs:
            self.views[job.name] = JobView(job.name, job.phase, job.epochs)

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        """See `Reporter.phase`: the jobs' real names take the place of the planned ones."""
        views = list(self.views.values())
        planned = [view for view in views if view.phase == name]
        epochs = [view.epochs for view in planned] or [0]
        fresh = {
            job: JobView(job, name, epochs[min(place, len(epochs) - 1)])
            for place, job in enumerate(jobs)
        }
        # In the place of the planned ones; unplanned, behind all that has begun.
        begun = [place for place, view in enumerate(views) if view.state != "waits"]
        first = views.index(planned[0]) if planned else max(begun, default=-1) + 1
        others = [(key, view) for key, view in self.views.items() if view.phase != name]
        self.views = {**dict(others[:first]), **fresh, **dict(others[first:])}

    def done_before(self, job: str, run_id: str) -> None:
        """See `Reporter.done_before`."""
        self.views[job].state = "done before"
        self.views[job].run_dir = run_id

    def event(self, event: Event) -> None:
        """See `Reporter.event`."""
        if event.job in self.views:
            self.views[event.job].take(event, self.clock.monotonic())

    def why(self, event: Event) -> str | None:
        """Why a job failed, where the program goes on after it; else it is told at the end."""
        if not isinstance(event, RunEnded) or event.status != "failed" or event.error is None:
            return None
        keeps_going = self.shown_plan is not None and self.shown_plan.keep_going
        others = any(view.running for view in self.views.values() if view.name != event.job)
        return str(event.error.get("message", "")) if keeps_going or others else None

    def seconds_left(self) -> float | None:
        """A guess at the whole: epochs not done, at the mean pace, so many at once."""
        known = [view.epoch_seconds for view in self.views.values() if view.epoch_seconds]
        if not known:
            return None
        if all(view.over for view in self.views.values()):
            return None
        epochs = sum(
            max(0.0, view.epochs * (1 - view.fraction))
            for view in self.views.values()
            if not view.over
        )
        waiting = sum(not view.over for view in self.views.values())
        return epochs * sum(known) / len(known) / max(1, min(self.at_once, waiting))


def best_so_far(view: JobView) -> str:
    """`-0.671 @ 104`: the best figure by the ranking metric and its epoch."""
    if view.best is None:
        return ""
    return f"{view.best:.3f} @ {view.best_epoch}"
