"""Progress of jobs as plain lines without control codes, for a pipe, a CI log or a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from topoqa_train.clock import Clock
from topoqa_train.errors import from_json
from topoqa_train.runs.events import Event, Notice, RunEnded
from topoqa_train.ui import console, formatting
from topoqa_train.ui.live.job_state import JobView
from topoqa_train.ui.live.jobs import Jobs, plan_summary
from topoqa_train.views.progress import Plan

# A line per epoch would fill a CI log with thousands of lines; ten per job show that it is alive.
_TENTHS = 10


class PlainJobs(Jobs):
    """Writes a line when a job starts, at every tenth of its epochs, and when it ends.

    With `whole`, errors are written in full: a log has no other place for them.
    """

    def __init__(
        self, clock: Clock, write: Callable[[str], None] = console.notify, *, whole: bool = False
    ) -> None:
        super().__init__(clock)
        self.write = write
        self.whole = whole

    def plan(self, plan: Plan) -> None:
        """See `Reporter.plan`."""
        super().plan(plan)
        for line in plan_summary(plan):
            self.write(line)

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        """See `Reporter.phase`."""
        super().phase(name, jobs)
        self.write(f"{name}: {', '.join(jobs)}")

    def done_before(self, job: str, run_id: str) -> None:
        """See `Reporter.done_before`."""
        super().done_before(job, run_id)
        self.write(f"{job}: done before, as {run_id}")

    def event(self, event: Event) -> None:
        """See `Reporter.event`."""
        if isinstance(event, Notice):
            for line in self.notice_lines(event):
                self.write(line)
            return
        view = self.views.get(event.job)
        if view is None:
            return
        was_waiting, tenth = view.state == "waiting", _tenth(view)
        super().event(event)
        if view.finished:
            self.write(_end_line(view, self.clock.monotonic()))
            for line in self._reason(event):
                self.write(f"{view.name}: {line}")
        elif was_waiting and view.running:
            self.write(f"{view.name}: starting")
        elif _tenth(view) > tenth:
            self.write(_epoch_line(view))

    def note(self, text: str) -> None:
        """See `Reporter.note`."""
        self.write(text)

    def _reason(self, event: Event) -> list[str]:
        if self.whole and isinstance(event, RunEnded) and event.error is not None:
            error = from_json(event.error)
            return [error.message, *(f"  {line}" for line in error.details)]
        reason = self.failure_reason(event)
        return [] if reason is None else [reason]


def _tenth(view: JobView) -> int:
    return view.epoch * _TENTHS // view.epochs if view.epochs else 0


def _epoch_line(view: JobView) -> str:
    left = view.seconds_left
    parts = [
        f"{view.name}: epoch {view.epoch}/{view.epochs}",
        f"best {view.best_text}" if view.best is not None else "",
        f"val_loss {formatting.number(view.metrics.get('val_loss'), 4)}",
        f"rho {formatting.number(view.metrics.get('val_spearman_corr'))}",
        f"{formatting.duration(left)} left" if left is not None else "",
    ]
    return "  ".join(part for part in parts if part)


def _end_line(view: JobView, now: float) -> str:
    epochs = "1 epoch" if view.epoch == 1 else f"{view.epoch} epochs"
    parts = [
        f"{view.name}: {view.state}" + (f" after {epochs}" if view.epoch else ""),
        f"best {view.best_text}" if view.best is not None else "",
        formatting.duration(view.elapsed(now)),
    ]
    return ", ".join(part for part in parts if part)
