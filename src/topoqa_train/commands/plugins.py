"""`topoqa-train plugins`: list."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from topoqa_train.commands.common import options

app = typer.Typer(
    help="What is installed: commands, data sets, networks, launchers.", no_args_is_help=True
)


@app.callback()
def _plugins() -> None:
    # Without it the only command would be the app itself.
    pass


@app.command("list")
def list_(
    timeout: Annotated[
        float,
        typer.Option(min=1, help="A plugin that takes longer to import is broken.", metavar="S"),
    ] = 60,
    as_json: options.AsJson = False,
) -> None:
    """List the plugins of all groups: from which distribution, whether they work, what hides what.

    Each is imported in a process beside this one, so that none does harm; how long it took is
    told, where what several share counts for the first. The exit status is 0, also where one is
    broken.

    Example: topoqa-train plugins list
    """
    from topoqa_train.inspection import plugin_list as workflow
    from topoqa_train.ui.console import notify, out
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.ui.tables.plugins import fault_lines, plugin_table

    report = workflow.list_plugins(progress, seconds=timeout)
    if as_json:
        typer.echo(json.dumps(workflow.to_document(report), indent=2))
        return
    out().print(plugin_table(report))
    for line in fault_lines(report):
        notify(line)
