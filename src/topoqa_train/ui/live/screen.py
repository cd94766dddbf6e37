"""Jobs at work on a terminal: one live line a job, on standard error."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from topoqa_train.clock import Clock
from topoqa_train.runs.events import Event, Notice
from topoqa_train.ui import console, formatting
from topoqa_train.ui.live.job_state import JobView, State
from topoqa_train.ui.live.jobs import Jobs, best_so_far, headline
from topoqa_train.ui.live.plain import PlainJobs
from topoqa_train.ui.live.row_folding import Fold, rows
from topoqa_train.views.progress import Plan

# What a name should have at least, for the wide layout to be worth its columns.
_LABEL_WIDTH = 31
_LEAST_LABEL = 8
# Above and below the table: a blank line, the time, and where the cursor stands.
_OTHER_LINES = 3
_STYLES: dict[State, str] = {
    "done": "green",
    "done before": "green",
    "failed": "bold red",
    "stopped": "yellow",
    "waits": "dim",
}


def make(clock: Clock) -> JobsScreen | PlainJobs:
    """The screen that suits where standard error goes."""
    target = console.err()
    return JobsScreen(target, clock) if console.is_live(target) else PlainJobs(clock)


class JobsScreen(Jobs):
    """One live line a job; what is said stands above it and scrolls away."""

    def __init__(self, target: Console, clock: Clock) -> None:
        super().__init__(clock)
        self.target = target
        self._lock = threading.Lock()
        self._live = Live(
            console=target,
            get_renderable=self._render,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live.is_started:
            self._live.stop()

    def plan(self, plan: Plan) -> None:
        """See `Reporter.plan`."""
        super().plan(plan)
        for line in headline(plan):
            self.target.print(Text(line))

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        """See `Reporter.phase`."""
        with self._lock:
            super().phase(name, jobs)
        if self.views and not self._live.is_started:
            self._live.start()

    def event(self, event: Event) -> None:
        """See `Reporter.event`."""
        with self._lock:
            super().event(event)
            why = self.why(event)
        if isinstance(event, Notice):
            self.note(f"{event.job}: {event.text}")
        elif why is not None:
            self.note(f"{event.job} failed: {why}")

    def note(self, words: str) -> None:
        """See `Reporter.note`."""
        self.target.print(Text(words))

    def _render(self) -> RenderableType:
        with self._lock:
            return Group(Text(), self._table(), self._footer())

    def _table(self) -> Table:
        wide, room = self._layout()
        now = self.clock.monotonic()
        table = Table.grid(padding=(0, _gap(wide=wide)))
        for width in self._widths(wide=wide):
            table.add_column(min_width=width, no_wrap=True)
        phase_before = ""
        for row in rows(list(self.views.values()), self.target.height - _OTHER_LINES):
            views = row.views if isinstance(row, Fold) else (row,)
            phase = Text(views[0].phase if views[0].phase != phase_before else "")
            phase_before = views[-1].phase
            if isinstance(row, Fold):
                best = "" if row.best is None else best_so_far(row.best)
                table.add_row(phase, Text(row.words, style="dim"), Text(), Text(best))
            else:
                name = Text(formatting.tail(row.name, room), style=_STYLES.get(row.state, ""))
                table.add_row(phase, name, *map(Text, _cells(row, now, wide=wide)))
        return table

    def _layout(self) -> tuple[bool, int]:
        """Whether there is room for everything, and what is left for names."""
        longest = max((len(view.name) for view in self.views.values()), default=0)
        for wide in (True, False):
            room = formatting.room(self.target.width, [self._widest(wide=wide)], _gap(wide=wide))
            if room >= min(longest, _LABEL_WIDTH):
                return wide, min(room, longest)
        return False, max(room, _LEAST_LABEL)

    def _widths(self, *, wide: bool) -> list[int]:
        # Fixed, so that nothing jumps when a figure comes or grows.
        phase, *cells = [len(cell) for cell in self._widest(wide=wide)]
        return [phase, 0, *cells]

    def _widest(self, *, wide: bool) -> list[str]:
        """The longest that each column may come to, names apart."""
        phases = {view.phase for view in self.views.values()}
        epochs = max((view.epochs for view in self.views.values()), default=0)
        progress = f"{formatting.bar(0, _bar_width(wide=wide))} {epochs}/{epochs}"
        figures = ["val 0.0000", "rho -0.00"] if wide else []
        return [
            max(phases, key=len, default=""),
            max(progress, "done before", key=len),
            f"-0.000 @ {epochs}",
            *figures,
            _left(36_000, wide=wide),
        ]

    def _footer(self) -> Text:
        gone = self.clock.monotonic() - self.began
        words = f"{formatting.duration(gone)} gone"
        left = self.seconds_left()
        if left is not None:
            words += f", at most about {formatting.rough(left)} left"
        return Text(words, style="dim")


def _gap(*, wide: bool) -> int:
    return 2 if wide else 1


def _bar_width(*, wide: bool) -> int:
    return 16 if wide else 6


def _cells(view: JobView, now: float, *, wide: bool) -> list[str]:
    cells = [_progress(view, wide=wide), best_so_far(view)]
    if wide:
        cells += [_labelled("val", view.metrics.get("val_loss"), 4)]
        cells += [_labelled("rho", view.metrics.get("val_spearman_corr"), 2)]
    return [*cells, _time(view, now, wide=wide)]


def _progress(view: JobView, *, wide: bool) -> str:
    if view.state in ("waits", "starts", "loads") and not view.epoch:
        return f"{view.state} {view.loaded:.0%}" if view.loaded else view.state
    if view.over:
        return f"{view.state}" + (f", {view.epoch} epochs" if view.epoch and wide else "")
    bar = formatting.bar(view.fraction, _bar_width(wide=wide))
    return f"{bar} {view.epoch}/{view.epochs}"


def _labelled(label: str, value: float | None, digits: int) -> str:
    return "" if value is None else f"{label} {formatting.figure(value, digits)}"


def _time(view: JobView, now: float, *, wide: bool) -> str:
    if view.over:
        return formatting.duration(view.seconds_gone(now)) if view.begun is not None else ""
    left = view.seconds_left
    if left is None:
        return formatting.duration(view.seconds_gone(now)) if view.begun is not None else ""
    return _left(left, wide=wide)


def _left(seconds: float, *, wide: bool) -> str:
    return f"{formatting.duration(seconds)} left" if wide else f"-{formatting.duration(seconds)}"
