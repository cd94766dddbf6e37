"""Table of a plan: jobs, configs, graphs, epochs, and what each override changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from topoqa_train.ui import formatting
from topoqa_train.ui.live.jobs import plan_summary
from topoqa_train.views.progress import Plan, PlannedJob

_WIDE = 100
_Item = TypeVar("_Item")


def plan_table(plan: Plan, here: Path, width: int) -> RenderableType:
    """Return a summary, a table of the jobs, and the changes that overrides make.

    Paths are relative to `here`; narrow terminals show only a config's name.
    """
    parts: list[RenderableType] = [Text(line) for line in plan_summary(plan)]
    if plan.jobs:
        parts += [Text(), _jobs(plan, here, width)]
    for lines in (list(_changes(plan, width)), list(_options(plan))):
        parts += [Text(), *lines] if lines else []
    return Group(*parts)


def _jobs(plan: Plan, here: Path, width: int) -> Table:
    headings = ("phase", "job", "epochs", "graphs", "config")
    # A name that does not fit is wrapped: one must be able to copy it from here.
    table = formatting.table(headings, left=("phase", "job", "config"), wrapped=headings)
    last_phase = ""
    for job in plan.jobs:
        phase = job.phase if job.phase != last_phase else ""
        last_phase = job.phase
        counts = formatting.counts(job.graphs) if job.graphs else "-"
        row = (phase, job.name, str(job.epochs), counts, _config(job, here, width))
        table.add_row(*map(Text, row))
    return table


def _config(job: PlannedJob, here: Path, width: int) -> str:
    config = Path(job.config)
    if width < _WIDE or not config.is_relative_to(here):
        return config.name
    return str(config.relative_to(here))


def _changes(plan: Plan, width: int) -> Iterator[Text]:
    """Yield a line per change, with its jobs and origin in the same line or, if too long, below."""
    rows = [
        (
            f"{change.key}: {'unset' if change.before is None else change.before} -> {change.now}",
            f"{jobs} ({change.origin})",
        )
        for change, jobs in _by_item(plan, ((job.name, job.changes) for job in plan.jobs))
    ]
    if not rows:
        return
    left = max(len(what) for what, _ in rows)
    same_line = 2 + left + 2 + max(len(whose) for _, whose in rows) <= width
    yield Text("overrides", style="bold")
    for what, whose in rows:
        if same_line:
            yield Text(f"  {what.ljust(left)}  {whose}")
        else:
            yield Text(f"  {what}")
            yield Text(f"    {whose}", style="dim")


def _options(plan: Plan) -> Iterator[Text]:
    """Yield a line per option that jobs have beside their configs."""
    for option, jobs in _by_item(plan, ((job.name, job.options) for job in plan.jobs)):
        yield Text(f"{jobs}: {option}")


def _by_item(
    plan: Plan, items_of_jobs: Iterable[tuple[str, Sequence[_Item]]]
) -> Iterator[tuple[_Item, str]]:
    """Yield each item once, with the names of the jobs that have it."""
    found: dict[_Item, list[str]] = {}
    for name, items in items_of_jobs:
        for item in items:
            found.setdefault(item, []).append(name)
    for item, names in found.items():
        yield item, "all jobs" if len(names) == len(plan.jobs) else ", ".join(names)
