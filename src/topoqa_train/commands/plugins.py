"""`topoqa-train plugins`: list."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from topoqa_train.commands.common import options

app = typer.Typer(
    help="List the installed plugins: commands, data sets, networks, launchers.",
    no_args_is_help=True,
)


@app.callback()
def _plugins() -> None:
    # Without a callback Typer would make the only command the app itself.
    pass


@app.command("list")
def list_(
    timeout: Annotated[
        float,
        typer.Option(min=1, help="Seconds after which the import of a plugin fails.", metavar="S"),
    ] = 60,
    as_json: options.AsJson = False,
) -> None:
    """List the plugins of all groups: distribution, whether they load, and which hide others.

    Each is imported in a process of its own, so that a broken one does no harm, and its import is
    timed. The exit status is 0, even if a plugin is broken.

    Example: topoqa-train plugins list
    """
    from topoqa_train.inspection import plugin_list as workflow
    from topoqa_train.ui.console import notify, out
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.ui.tables.plugins import error_lines, plugin_table

    report = workflow.list_plugins(progress, seconds=timeout)
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
        return
    out().print(plugin_table(report))
    for line in error_lines(report):
        notify(line)
