"""`topoqa-train leaderboard`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from topoqa_train.commands.common import completion, options, show


def leaderboard(
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="Show the first N.", metavar="N")
    ] = None,
    run_root: options.RunRoot = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Rank by this column of metrics.csv. Default: the metric that ranked the "
            "checkpoints.",
            autocompletion=completion.metrics,
            metavar="NAME",
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Show the worst first.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Rank all runs, those in history/ included.

    Each line shows the metrics of one checkpoint: the best of the run by the ranking metric.

    Example: topoqa-train leaderboard --limit 5 --metric val_loss
    """
    from topoqa_train.clock import SystemClock
    from topoqa_train.inspection import leaderboard as workflow
    from topoqa_train.runs import leaderboard
    from topoqa_train.runs.store import RunStore, root_of_runs
    from topoqa_train.ui.live.progress import progress

    store = RunStore(root_of_runs(run_root))
    ranked = workflow.build(store, SystemClock(), metric=metric, reverse=reverse, progress=progress)
    if as_json:
        typer.echo(json.dumps(leaderboard.to_document(ranked, limit), indent=2))
    else:
        show.board(ranked, limit)
