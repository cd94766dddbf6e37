"""`topoqa-train fine-tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands.common import options, session


def fine_tune(
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="What to fine-tune; with --run-dir. Default: the best of all finished runs.",
            metavar="CKPT",
            show_default=False,
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            help="The run that the new ones are called by; with --checkpoint.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    manifest: options.Manifest = None,
    metric: options.PickMetric = None,
    graph_dir: options.GraphDir = None,
    num_workers: options.NumWorkers = None,
    override: options.Overrides = None,
    jobs: options.Jobs = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the last fine-tune of this manifest: finished jobs are left alone.",
        ),
    ] = False,
    dry_run: options.DryRun = False,
    output_root: options.OutputRoot = None,
) -> None:
    """Fine-tune a checkpoint twice, without a sweep: phase 1, then phase 2 with every seed.

    The manifest's section fine_tune says how. Without --checkpoint and --run-dir it is the best
    checkpoint of all finished runs, those in history/ too: the lowest val_loss. The new runs are
    called after the run that they start from: RUN_finetune_phase1, RUN_phase2_seed101, ...

    Example: topoqa-train fine-tune --manifest run_core --jobs 2
    """
    from topoqa_train.config.recipes import default_manifest
    from topoqa_train.workflows import pipeline as workflow

    request = workflow.PipelineRequest(
        kind=workflow.FINE_TUNE,
        manifest=manifest or default_manifest(Path.cwd()),
        overrides=session.overrides(override, graph_dir, num_workers),
        skip_sweep=True,
        resume_from=checkpoint,
        run_dir=run_dir,
        metric=metric,
        jobs=jobs,
        resume=resume,
        output_root=output_root,
        launcher=session.launcher_name(),
    )
    plan = session.planned(request)
    if dry_run:
        session.rehearse_pipeline(plan)
    else:
        session.carry_out_pipeline(plan, log=f"fine_tune_{plan.manifest.name}")
