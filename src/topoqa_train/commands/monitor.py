"""`topoqa-train monitor`."""

from __future__ import annotations

from typing import Annotated

import typer

from topoqa_train.commands.common import options, session


def monitor(
    run_dir: options.RunDir = None,
    run_id: options.RunId = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Look again and again until the run ends.")
    ] = False,
    interval: Annotated[
        float,
        typer.Option(help="Seconds between two looks.", metavar="SECONDS"),
    ] = 2.0,
    metrics_limit: Annotated[
        int, typer.Option(min=0, help="How many of the last epochs to show.", metavar="N")
    ] = 5,
    as_json: Annotated[
        bool | None,
        typer.Option(
            "--json/--table",
            help="JSON, or a picture for people. Default: JSON where standard output is no "
            "terminal.",
            show_default=False,
        ),
    ] = None,
    run_root: options.RunRoot = None,
) -> None:
    """The best checkpoint of a run, now or as it trains.

    Only files are read: it works on runs that train, ended, died or were copied here. With
    --follow a terminal shows a live screen, and a pipe gets one JSON document a line; both end when
    the run ends. Ctrl-C leaves a run that goes on, with status 130.

    Example: topoqa-train monitor --follow
    """
    from topoqa_train.commands.common import follow as follower

    run = session.chosen_run(run_dir, run_id, run_root)
    follower.show(run, following=follow, interval=interval, rows=metrics_limit, as_json=as_json)
