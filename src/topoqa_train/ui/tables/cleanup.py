"""Table of the runs that `runs clean` deletes."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from topoqa_train.ui import formatting
from topoqa_train.views.cleanup import CleanPlan

# Least width of the columns beside the name.
_OTHER_COLUMNS = 36


def clean_table(plan: CleanPlan, width: int) -> RenderableType:
    """Return the runs to delete with size and reason, then those that are kept, in `width`."""
    # A name is wrapped only if it would leave no space for the other columns, and never cut: the
    # user decides by it what is deleted.
    longest = max((len(run.run_id) for run in plan.doomed), default=0)
    wrapped = ("run", "why") if longest > width - _OTHER_COLUMNS else ("why",)
    table = formatting.table(("run", "size", "why"), left=("run", "why"), wrapped=wrapped)
    for run in plan.doomed:
        ended = f"{run.status} {run.ended.astimezone():%Y-%m-%d}"
        cells = (run.run_id, formatting.size(run.size), ", ".join([ended, *run.reasons]))
        table.add_row(*map(Text, cells))
    for path, size in plan.leftovers:
        cells = (path.name, formatting.size(size), "left by an interrupted deletion")
        table.add_row(*map(Text, cells))
    kept = [Text(f"{run.run_id} is kept: it {run.why}") for run in plan.spared]
    return Group(*([table] if table.row_count else []), *kept)


def clean_line(plan: CleanPlan, deleted: int | None) -> str:
    """Return what was deleted, or would be where `deleted` is None, in one line."""
    if not plan.doomed and not plan.leftovers:
        return "nothing to delete"
    size = formatting.size(plan.size)
    if deleted is not None:
        return f"{formatting.plural(deleted, 'run')} deleted, {size} freed"
    runs = f"{formatting.plural(len(plan.doomed), 'run')}, " if plan.doomed else ""
    return f"{runs}{size}. Nothing was deleted; add --yes to delete."
