"""A plan before it is carried out: jobs, configs, graphs, epochs, what each override changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from topoqa_train.ui import formatting
from topoqa_train.ui.live.jobs import headline
from topoqa_train.views.progress import Change, Plan, PlannedJob

_WIDE = 100


def plan_table(plan: Plan, here: Path, width: int) -> RenderableType:
    """Lines of what is planned, a table of the jobs, and one of what overrides change.

    Paths are relative to `here`; on narrow terminals of a config its name alone is shown.
    """
    parts: list[RenderableType] = [Text(line) for line in headline(plan)]
    if plan.jobs:
        parts += [Text(), _jobs(plan, here, width)]
    changed = _by_change(plan)
    if changed:
        parts += [Text(), *_changes(changed, len(plan.jobs), width)]
    options = list(_options(plan))
    if options:
        parts += [Text(), *options]
    return Group(*parts)


def _jobs(plan: Plan, here: Path, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("phase", "job", "epochs", "graphs", "config"):
        figures = heading in ("epochs", "graphs")
        table.add_column(heading, overflow="fold", justify="right" if figures else "left")
    phase_before = ""
    for job in plan.jobs:
        phase = job.phase if job.phase != phase_before else ""
        phase_before = job.phase
        counts = formatting.counts(job.graphs) if job.graphs else "-"
        row = (phase, job.name, str(job.epochs), counts, _config(job, here, width))
        table.add_row(*map(Text, row))
    return table


def _config(job: PlannedJob, here: Path, width: int) -> str:
    config = Path(job.config)
    if width < _WIDE or not config.is_relative_to(here):
        return config.name
    return str(config.relative_to(here))


def _by_change(plan: Plan) -> dict[Change, list[str]]:
    """Each change once, with the jobs that have it, in the order of the first that has."""
    found: dict[Change, list[str]] = {}
    for job in plan.jobs:
        for change in job.changes:
            found.setdefault(change, []).append(job.name)
    return found


def _changes(changed: dict[Change, list[str]], jobs: int, width: int) -> Iterator[Text]:
    """A line a change, with the jobs and who asked behind it or, where that is too long, below."""
    rows = [
        (
            f"{change.key}: {'unset' if change.before is None else change.before} -> {change.now}",
            f"{_who(names, jobs)} ({change.origin})",
        )
        for change, names in changed.items()
    ]
    left = max(len(what) for what, _ in rows)
    beside = 2 + left + 2 + max(len(whose) for _, whose in rows) <= width
    yield Text("overrides", style="bold")
    for what, whose in rows:
        if beside:
            yield Text(f"  {what.ljust(left)}  {whose}")
        else:
            yield Text(f"  {what}")
            yield Text(f"    {whose}", style="dim")


def _who(names: list[str], jobs: int) -> str:
    return "all jobs" if len(names) == jobs else ", ".join(names)


def _options(plan: Plan) -> Iterator[Text]:
    """What jobs have beside their configs, each once."""
    found: dict[str, list[str]] = {}
    for job in plan.jobs:
        for option in job.options:
            found.setdefault(option, []).append(job.name)
    for option, names in found.items():
        yield Text(f"{_who(names, len(plan.jobs))}: {option}")
