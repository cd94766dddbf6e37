"""Jobs at work as plain lines, for a pipe, a CI log or a file. No control codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from topoqa_train.clock import Clock
from topoqa_train.errors import from_json
from topoqa_train.runs.events import Event, Notice, RunEnded
from topoqa_train.ui import console, formatting
from topoqa_train.ui.live.job_state import JobView
from topoqa_train.ui.live.jobs import Jobs, best_so_far, headline
from topoqa_train.views.progress import Plan

_TENTHS = 10


class PlainJobs(Jobs):
    """A line when a job starts, every tenth of its epochs, and when it ends.

    Why it failed is said where the program goes on after it, and `whole` where nothing follows
    that tells it: in a log.
    """

    def __init__(
        self, clock: Clock, say: Callable[[str], None] = console.notify, *, whole: bool = False
    ) -> None:
        super().__init__(clock)
        self.say = say
        self.whole = whole

    def plan(self, plan: Plan) -> None:
        """See `Reporter.plan`."""
        super().plan(plan)
        for line in headline(plan):
            self.say(line)

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        """See `Reporter.phase`."""
        super().phase(name, jobs)
        self.say(f"{name}: {', '.join(jobs)}")

    def done_before(self, job: str, run_id: str) -> None:
        """See `Reporter.done_before`."""
        super().done_before(job, run_id)
        self.say(f"{job}: done before, as {run_id}")

    def event(self, event: Event) -> None:
        """See `Reporter.event`."""
        if isinstance(event, Notice):
            self.say(f"{event.job}: {event.text}")
            return
        view = self.views.get(event.job)
        if view is None:
            return
        before, tenth = view.state, self._tenth(view)
        super().event(event)
        if view.over:
            self.say(_end_line(view, self.clock.monotonic()))
            for line in self._reason(event):
                self.say(f"{view.name}: {line}")
        elif before == "waits" and view.running:
            self.say(f"{view.name}: starts")
        elif self._tenth(view) > tenth:
            self.say(_epoch_line(view))

    def note(self, words: str) -> None:
        """See `Reporter.note`."""
        self.say(words)

    def _reason(self, event: Event) -> list[str]:
        why = self.why(event)
        if not self.whole or not isinstance(event, RunEnded) or event.error is None:
            return [] if why is None else [why]
        error = from_json(event.error)
        return [error.message, *(f"  {line}" for line in error.details)]

    @staticmethod
    def _tenth(view: JobView) -> int:
        return view.epoch * _TENTHS // view.epochs if view.epochs else 0


def _epoch_line(view: JobView) -> str:
    left = view.seconds_left
    parts = [
        f"{view.name}: epoch {view.epoch}/{view.epochs}",
        f"best {best_so_far(view)}" if view.best is not None else "",
        f"val_loss {formatting.figure(view.metrics.get('val_loss'), 4)}",
        f"rho {formatting.figure(view.metrics.get('val_spearman_corr'))}",
        f"{formatting.duration(left)} left" if left is not None else "",
    ]
    return "  ".join(part for part in parts if part)


def _end_line(view: JobView, now: float) -> str:
    epochs = "1 epoch" if view.epoch == 1 else f"{view.epoch} epochs"
    words = f"{view.name}: {view.state}" + (f" after {epochs}" if view.epoch else "")
    if view.best is not None:
        words += f", best {best_so_far(view)}"
    return f"{words}, {formatting.duration(view.seconds_gone(now))}"
