"""Live table of jobs on a terminal, on standard error."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from topoqa_train.clock import Clock
from topoqa_train.runs.events import Event, Notice
from topoqa_train.ui import console, formatting
from topoqa_train.ui.live.job_state import JobView, State
from topoqa_train.ui.live.jobs import Jobs, plan_summary
from topoqa_train.ui.live.plain import PlainJobs
from topoqa_train.ui.live.row_folding import Fold, rows
from topoqa_train.views.progress import Plan

# The wide layout is used only if it leaves this much for names, the length of a shipped config's:
# large_batch_sched_boost_seed222. A name matters more than the two metrics of the wide layout.
_NAME_WIDTH = 31
_MIN_NAME_WIDTH = 8
# A blank line above the table, the time below it, and the cursor's line.
_OTHER_LINES = 3
_STYLES: dict[State, str] = {
    "done": "green",
    "done before": "green",
    "failed": "bold red",
    "stopped": "yellow",
    "waiting": "dim",
}


def make(clock: Clock) -> JobsScreen | PlainJobs:
    """Return the display that suits standard error."""
    target = console.err()
    return JobsScreen(target, clock) if console.is_live(target) else PlainJobs(clock)


class JobsScreen(Jobs):
    """One live line per job. Notes are printed above the table and scroll away."""

    def __init__(self, target: Console, clock: Clock) -> None:
        super().__init__(clock)
        self.target = target
        # Rich draws from a thread of its own, while events change the jobs in this one.
        self._lock = threading.Lock()
        # Four times a second the clock and the bars look alive, and drawing takes no time from the
        # training. Nothing is redirected: Rich would print what goes to standard output on this
        # console, which is standard error.
        self._live = Live(
            console=target,
            get_renderable=self._render,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.callback(self._close)

    def _close(self) -> None:
        if self._live.is_started:
            self._live.stop()
            # Separates the table from the results, which follow on standard output.
            self.target.line()

    def plan(self, plan: Plan) -> None:
        """See `Reporter.plan`."""
        super().plan(plan)
        for line in plan_summary(plan):
            self.note(line)

    def phase(self, name: str, jobs: Sequence[str]) -> None:
        """See `Reporter.phase`."""
        with self._lock:
            super().phase(name, jobs)
        # The display starts here, not with the plan: a plan of nothing has no table to show.
        if self.views:
            self._live.start()

    def event(self, event: Event) -> None:
        """See `Reporter.event`."""
        with self._lock:
            super().event(event)
            reason = self.failure_reason(event)
        if isinstance(event, Notice):
            for line in self.notice_lines(event):
                self.note(line)
        elif reason is not None:
            self.note(f"{event.job} failed: {reason}")

    def note(self, text: str) -> None:
        """See `Reporter.note`."""
        self.target.print(Text(text))

    def _render(self) -> RenderableType:
        with self._lock:
            return Group(Text(), self._table(), self._footer())

    def _table(self) -> Table:
        wide, name_width = self._layout()
        now = self.clock.monotonic()
        # Rich computes widths from what is in the table now; the widths of the longest possible
        # cells keep columns in their places when the first metrics arrive.
        table = Table.grid(padding=(0, _gap(wide=wide)))
        phase_width, *widths = [len(cell) for cell in self._widest_cells(wide=wide)]
        for width in (phase_width, 0, *widths):
            table.add_column(min_width=width, no_wrap=True)
        last_phase = ""
        for row in rows(list(self.views.values()), self.target.height - _OTHER_LINES):
            views = row.views if isinstance(row, Fold) else (row,)
            phase = Text(views[0].phase if views[0].phase != last_phase else "")
            last_phase = views[-1].phase
            if isinstance(row, Fold):
                table.add_row(phase, Text(row.text, style="dim"), Text(), Text(row.best_text))
            else:
                name = formatting.keep_end(row.name, name_width)
                cells = map(Text, _cells(row, now, wide=wide))
                table.add_row(phase, Text(name, style=_STYLES.get(row.state, "")), *cells)
        return table

    def _layout(self) -> tuple[bool, int]:
        """Return whether the wide layout fits, and the width left for names."""
        longest = max((len(view.name) for view in self.views.values()), default=0)
        for wide in (True, False):
            cells = [self._widest_cells(wide=wide)]
            left = formatting.remaining_width(self.target.width, cells, _gap(wide=wide))
            if left >= min(longest, _NAME_WIDTH):
                return wide, min(left, longest)
        return False, max(left, _MIN_NAME_WIDTH)

    def _widest_cells(self, *, wide: bool) -> list[str]:
        """Return the longest text that each column but the name may get, so that none jumps."""
        phases = {view.phase for view in self.views.values()}
        epochs = max((view.epochs for view in self.views.values()), default=0)
        progress = f"{formatting.bar(0, _bar_width(wide=wide))} {epochs}/{epochs}"
        metrics = ["val 0.0000", "rho -0.00"] if wide else []
        return [
            max(phases, key=len, default=""),
            max(progress, "done before", key=len),
            f"-0.000 @ {epochs}",
            *metrics,
            _left(36_000, wide=wide),
        ]

    def _footer(self) -> Text:
        text = f"{formatting.duration(self.clock.monotonic() - self.started)} elapsed"
        left = self.seconds_left()
        if left is not None:
            text += f", at most about {formatting.approximate(left)} left"
        return Text(text, style="dim")


def _gap(*, wide: bool) -> int:
    return 2 if wide else 1


def _bar_width(*, wide: bool) -> int:
    return 16 if wide else 6


def _cells(view: JobView, now: float, *, wide: bool) -> list[str]:
    cells = [_progress(view, wide=wide), view.best_text]
    if wide:
        cells += [_labelled("val", view.metrics.get("val_loss"), 4)]
        cells += [_labelled("rho", view.metrics.get("val_spearman_corr"), 2)]
    return [*cells, _time(view, now, wide=wide)]


def _progress(view: JobView, *, wide: bool) -> str:
    if view.state in ("waiting", "starting", "loading") and not view.epoch:
        return f"{view.state} {view.loaded:.0%}" if view.loaded else view.state
    if view.finished:
        return view.state + (f", {view.epoch} epochs" if view.epoch and wide else "")
    if not view.epochs:  # a check
        return "running"
    bar = formatting.bar(view.fraction, _bar_width(wide=wide))
    return f"{bar} {view.epoch}/{view.epochs}"


def _labelled(label: str, value: float | None, digits: int) -> str:
    return "" if value is None else f"{label} {formatting.number(value, digits)}"


def _time(view: JobView, now: float, *, wide: bool) -> str:
    left = view.seconds_left
    if not view.finished and left is not None:
        return _left(left, wide=wide)
    return "" if view.started is None else formatting.duration(view.elapsed(now))


def _left(seconds: float, *, wide: bool) -> str:
    return f"{formatting.duration(seconds)} left" if wide else f"-{formatting.duration(seconds)}"
