"""`topoqa-train summarise`."""

from __future__ import annotations

import typer

from topoqa_train.commands.common import arguments, options


def summarise(
    run_dir: options.RunDir = None,
    run_id: options.RunId = None,
    run_root: options.RunRoot = None,
) -> None:
    """Print everything about one run as one JSON document.

    Metadata, metrics of every epoch, the best checkpoints with their metrics, the ranking with its
    links, coverage, feature schema, times and warnings.

    Example: topoqa-train summarise --run-id latest
    """
    from topoqa_train.clock import SystemClock
    from topoqa_train.inspection import summarise as workflow
    from topoqa_train.views import json_models

    run = arguments.chosen_run(run_dir, run_id, run_root)
    typer.echo(json_models.to_json(workflow.summarise(run, SystemClock()), indent=2))
