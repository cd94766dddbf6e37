"""`topoqa-train monitor`."""

from __future__ import annotations

from typing import Annotated

import typer

from topoqa_train.commands.common import arguments, options


def monitor(
    run_dir: options.RunDir = None,
    run_id: options.RunId = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Update until the run ends.")
    ] = False,
    interval: Annotated[
        float, typer.Option(help="Seconds between updates.", metavar="SECONDS")
    ] = 2.0,
    metrics_limit: Annotated[
        int, typer.Option(min=0, help="Number of the last epochs to show.", metavar="N")
    ] = 5,
    as_json: Annotated[
        bool | None,
        typer.Option(
            "--json/--table",
            help="Print JSON or a table. Default: a table on a terminal, JSON elsewhere.",
            show_default=False,
        ),
    ] = None,
    run_root: options.RunRoot = None,
) -> None:
    """Show a run's progress and best checkpoints, now or while it trains.

    Only files are read, so it works on running, finished, dead and copied runs. With --follow a
    terminal shows a live screen and a pipe gets one JSON document per line, until the run ends.
    Ctrl-C ends monitor with status 130, not the run.

    Example: topoqa-train monitor --follow
    """
    from topoqa_train.commands.common import follow as follower

    run = arguments.chosen_run(run_dir, run_id, run_root)
    follower.show(run, following=follow, interval=interval, rows=metrics_limit, as_json=as_json)
