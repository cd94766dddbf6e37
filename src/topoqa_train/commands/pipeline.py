"""`topoqa-train pipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands.common import arguments, options, session


def pipeline(
    manifest: options.PipelineManifest = None,
    skip_sweep: Annotated[
        bool,
        typer.Option(
            "--skip-sweep/--no-skip-sweep",
            envvar="SKIP_SWEEP",
            help="Train no sweep: select from the finished runs, by val_loss.",
            show_default=False,
        ),
    ] = False,
    skip_fine: Annotated[
        bool,
        typer.Option(
            "--skip-fine/--no-skip-fine",
            envvar="SKIP_FINE",
            help="Stop after the selection of the checkpoint.",
            show_default=False,
        ),
    ] = False,
    resume_from: Annotated[
        Path | None,
        typer.Option(
            envvar="RESUME_FROM",
            help="Fine-tune this checkpoint instead of the best one of a sweep.",
            metavar="CKPT",
        ),
    ] = None,
    metric: options.SelectionMetric = None,
    graph_dir: options.GraphDir = None,
    num_workers: options.NumWorkers = None,
    override: options.Overrides = None,
    jobs: options.Jobs = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Resume the last pipeline of this manifest; keep completed jobs."
        ),
    ] = False,
    dry_run: options.DryRun = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="With --dry-run: print the plan as one JSON document, without reading graphs.",
        ),
    ] = False,
    output_root: options.OutputRoot = None,
) -> None:
    """Train a sweep, select the best checkpoint, fine-tune it in two phases, rank all runs.

    Without any option it does so on the demo data, which it builds first.

    Example: topoqa-train pipeline --manifest run_extended --jobs 2
    """
    import json

    from topoqa_train.clock import SystemClock
    from topoqa_train.config.recipes import default_manifest
    from topoqa_train.errors import RequestError
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.workflows import pipeline as workflow
    from topoqa_train.workflows.data_resolver import DataResolver

    if as_json and not dry_run:
        raise RequestError("--json goes with --dry-run", hint="leaderboard --json lists the runs.")
    request = workflow.PipelineRequest(
        manifest=manifest or default_manifest(Path.cwd()),
        overrides=arguments.overrides(override, graph_dir, num_workers),
        skip_sweep=skip_sweep,
        skip_fine=skip_fine,
        resume_from=resume_from,
        metric=metric,
        jobs=jobs,
        resume=resume,
        output_root=output_root,
        launcher=arguments.launcher_name(),
    )
    plan = workflow.plan_pipeline(request, DataResolver(progress), SystemClock())
    if as_json:
        typer.echo(json.dumps(workflow.to_json(plan), indent=2))
    elif dry_run:
        session.rehearse(plan)
    else:
        session.train_pipeline(plan, log=f"full_pipeline_{plan.manifest.name}")
