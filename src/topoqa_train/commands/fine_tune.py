"""`topoqa-train fine-tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands.common import arguments, options, session


def fine_tune(
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint to fine-tune; with --run-dir. Default: the best one of all finished "
            "runs.",
            metavar="CKPT",
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            help="Run that gives the new runs their name; with --checkpoint.", metavar="DIR"
        ),
    ] = None,
    manifest: options.PipelineManifest = None,
    metric: options.SelectionMetric = None,
    graph_dir: options.GraphDir = None,
    num_workers: options.NumWorkers = None,
    override: options.Overrides = None,
    jobs: options.Jobs = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Resume the last fine-tune of this manifest; keep completed jobs."
        ),
    ] = False,
    dry_run: options.DryRun = False,
    output_root: options.OutputRoot = None,
) -> None:
    """Fine-tune a checkpoint without a sweep: phase 1, then phase 2 with every seed.

    The manifest's section fine_tune defines both phases. Without --checkpoint and --run-dir the
    best checkpoint of all finished runs is used, those in history/ included: the one of lowest
    val_loss. New runs are named after the run they start from: RUN_finetune_phase1,
    RUN_phase2_seed101, ...

    Example: topoqa-train fine-tune --manifest run_core --jobs 2
    """
    from topoqa_train.clock import SystemClock
    from topoqa_train.config.recipes import default_manifest
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.workflows import pipeline as workflow
    from topoqa_train.workflows.data_resolver import DataResolver

    request = workflow.PipelineRequest(
        kind=workflow.FINE_TUNE,
        manifest=manifest or default_manifest(Path.cwd()),
        overrides=arguments.overrides(override, graph_dir, num_workers),
        skip_sweep=True,
        resume_from=checkpoint,
        run_dir=run_dir,
        metric=metric,
        jobs=jobs,
        resume=resume,
        output_root=output_root,
        launcher=arguments.launcher_name(),
    )
    plan = workflow.plan_pipeline(request, DataResolver(progress), SystemClock())
    if dry_run:
        session.rehearse(plan)
    else:
        session.train_pipeline(plan, log=f"fine_tune_{plan.manifest.name}")
