"""A plan before it is carried out: jobs, configs, epochs, and what each override changes."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from topoqa_train.runs.reporting import Plan
from topoqa_train.ui.jobs import headline


def plan_table(plan: Plan, here: Path) -> RenderableType:
    """Lines of what is planned, then a table of the jobs; paths relative to `here`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("phase", "job", "config", "epochs", "changed"):
        table.add_column(
            heading, overflow="fold", justify="right" if heading == "epochs" else "left"
        )
    for job in plan.jobs:
        config = Path(job.config)
        shown = config.relative_to(here) if config.is_relative_to(here) else config.name
        changes = "\n".join(f"{key}={value}" for key, value in job.changes.items())
        row = (job.phase, job.name, str(shown), str(job.epochs), changes or "-")
        table.add_row(*map(Text, row))
    return Group(*(Text(line) for line in headline(plan)), Text(), table)
