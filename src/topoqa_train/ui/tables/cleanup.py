"""Runs that are to be deleted, as a table."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from topoqa_train.ui import formatting
from topoqa_train.views.cleanup import CleanPlan

# What the columns beside the name take at the least.
_REST = 36


def clean_table(plan: CleanPlan, width: int) -> RenderableType:
    """Runs with size and reason in `width` columns, then what stays though it was asked for."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    # Names of runs are broken only where they would leave no room for the rest.
    longest = max((len(run.run_id) for run in plan.doomed), default=0)
    table.add_column("run", overflow="fold", no_wrap=longest <= width - _REST)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("why")
    for run in plan.doomed:
        ended = f"{run.status} {run.ended.astimezone():%Y-%m-%d}"
        cells = (run.run_id, formatting.size(run.size), ", ".join([ended, *run.reasons]))
        table.add_row(*map(Text, cells))
    for path, size in plan.leftovers:
        cells = (path.name, formatting.size(size), "left by a deletion that was cut off")
        table.add_row(*map(Text, cells))
    stays = [Text(f"{run.run_id} stays: it {run.why}") for run in plan.spared]
    return Group(*([table] if table.row_count else []), *stays)


def clean_line(plan: CleanPlan, deleted: int | None) -> str:
    """What was or would be done, in a line."""
    if not plan.doomed and not plan.leftovers:
        return "nothing to delete"
    if deleted is None:
        count = len(plan.doomed)
        runs = f"{count} run{'s' if count != 1 else ''}, " if count else ""
        return f"{runs}{formatting.size(plan.size)}. Nothing was deleted: that takes --yes."
    return f"{deleted} run{'s' if deleted != 1 else ''} deleted, {formatting.size(plan.size)} free"
