"""`topoqa-train summarise`."""

from __future__ import annotations

import typer

from topoqa_train.commands import _options, _session


def summarise(
    run_dir: _options.RunDir = None,
    run_id: _options.RunId = None,
    run_root: _options.RunRoot = None,
) -> None:
    """All about one run, as one JSON document.

    Metadata, every epoch's metrics, the best checkpoints with their own figures, the ranking with
    its links, coverage, feature schema, times and warnings.

    Example: topoqa-train summarise --run-id latest
    """
    from topoqa_train.clock import SystemClock
    from topoqa_train.runs import documents
    from topoqa_train.workflows import summarise as workflow

    run = _session.chosen_run(run_dir, run_id, run_root)
    typer.echo(documents.to_json(workflow.summarise(run, SystemClock()), indent=2))
