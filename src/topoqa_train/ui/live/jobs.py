"""What the live screen and the plain lines share: the jobs of a plan and the state of each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from topoqa_train.clock import Clock
from topoqa_train.runs.events import Event, Notice, RunEnded
from topoqa_train.ui import formatting
from topoqa_train.ui.live.job_state import JobView
from topoqa_train.views.progress import Plan


def plan_summary(plan: Plan) -> list[str]:
    """Return a line on the jobs of `plan` and one on each data set."""
    phases = [f"{len(phase.jobs)} in {phase.name}" for phase in plan.phases]
    jobs = f"{plan.title}: {', '.join(phases) or 'nothing to train'}; {plan.at_once} at once"
    return [jobs] + [
        f"data: {data.name}, {data.targets} complexes, {formatting.splits(data.graphs)}, "
        f"coverage {formatting.percent(data.coverage)}"
        for data in plan.data
    ]


class Jobs(ExitStack):
    """A `Reporter` that keeps the state of each job. It is left when the workflow ends."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.views: dict[str, JobView] = {}
        self.at_once = 1
        self.keep_going = False
        self.started = clock.monotonic()
        self._reported: set[str] = set()

    def plan(self, plan: Plan) -> None:
        """See `Reporter.plan`."""
        self.at_once, self.keep_going = plan.at_once, plan.keep_going
        self.views |= {job.name: JobView(job.name, job.phase, job.epochs) for job in plan.jobs}

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        """See `Reporter.phase`: the jobs' real names replace the planned ones."""
        # Fine-tuning jobs are named after the run they start from, which the plan can't know.
        views = list(self.views.values())
        planned = [view for view in views if view.phase == name]
        epochs = [view.epochs for view in planned] or [0]
        new = {
            job: JobView(job, name, epochs[min(place, len(epochs) - 1)])
            for place, job in enumerate(jobs)
        }
        # A planned phase keeps its place; an unplanned one follows the last job that has started.
        started = [place for place, view in enumerate(views) if view.state != "waiting"]
        first = views.index(planned[0]) if planned else max(started, default=-1) + 1
        others = [(key, view) for key, view in self.views.items() if view.phase != name]
        self.views = {**dict(others[:first]), **new, **dict(others[first:])}

    def done_before(self, job: str, run_id: str) -> None:
        """See `Reporter.done_before`."""
        self.views[job].state = "done before"
        self.views[job].run_dir = run_id

    def event(self, event: Event) -> None:
        """See `Reporter.event`."""
        if event.job in self.views:
            self.views[event.job].apply(event, self.clock.monotonic())

    def notice_lines(self, event: Notice) -> list[str]:
        """Return the line to show for a notice; none if once is enough and a job has reported it.

        Every job on the same data finds the same rows without a label, for example.
        """
        if event.once and event.text in self._reported:
            return []
        self._reported.add(event.text)
        return [f"{event.job}: {event.text}"]

    def failure_reason(self, event: Event) -> str | None:
        """Return why a job failed if other jobs continue; otherwise the command's error says it."""
        if not isinstance(event, RunEnded) or event.status != "failed" or event.error is None:
            return None
        others = any(view.running for view in self.views.values() if view.name != event.job)
        return str(event.error.get("message", "")) if self.keep_going or others else None

    def seconds_left(self) -> float | None:
        """Estimate the remaining time: all epochs left, at the mean pace, `at_once` in parallel."""
        paces = [view.epoch_seconds for view in self.views.values() if view.epoch_seconds]
        unfinished = [view for view in self.views.values() if not view.finished]
        if not paces or not unfinished:
            return None
        epochs = sum(max(0.0, view.epochs * (1 - view.fraction)) for view in unfinished)
        return epochs * sum(paces) / len(paces) / max(1, min(self.at_once, len(unfinished)))
