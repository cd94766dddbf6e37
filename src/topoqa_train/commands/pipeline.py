"""`topoqa-train pipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands import _complete, _options, _session


def pipeline(
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            "-m",
            envvar="PIPELINE_MANIFEST",
            help="Manifest of the sweep. Default: manifests/run_core.yaml, here or as shipped.",
            autocompletion=_complete.manifests,
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    skip_sweep: Annotated[
        bool,
        typer.Option(
            "--skip-sweep",
            envvar="SKIP_SWEEP",
            help="Train no sweep: pick from the finished runs there are, by val_loss.",
        ),
    ] = False,
    skip_fine: Annotated[
        bool,
        typer.Option("--skip-fine", envvar="SKIP_FINE", help="Stop when the checkpoint is picked."),
    ] = False,
    resume_from: Annotated[
        Path | None,
        typer.Option(
            envvar="RESUME_FROM",
            help="Fine-tune this checkpoint instead of the best of a sweep.",
            metavar="CKPT",
            show_default=False,
        ),
    ] = None,
    graph_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="GRAPH_DIR",
            help="Take the graphs of every job from here (paths.graph).",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    num_workers: Annotated[
        int | None,
        typer.Option(
            envvar="NUM_WORKERS_OVERRIDE",
            min=0,
            help="Loader workers of every job (dataloader.num_workers).",
            metavar="N",
            show_default=False,
        ),
    ] = None,
    override: _options.Overrides = None,
    jobs: _options.Jobs = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with the last pipeline of this manifest: finished jobs are left alone.",
        ),
    ] = False,
    dry_run: _options.DryRun = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: the plan as one JSON document.")
    ] = False,
    output_root: _options.OutputRoot = None,
) -> None:
    """Sweep, pick the best checkpoint, fine-tune it twice, rank it all.

    Without any option it does all this on the demo data, which it builds first.

    Example: topoqa-train pipeline --manifest run_extended --jobs 2
    """
    import json

    from topoqa_train.clock import SystemClock
    from topoqa_train.config.overrides import Override, parse_override
    from topoqa_train.config.recipes import default_manifest
    from topoqa_train.errors import RequestError, TrainingError
    from topoqa_train.ui import jobs_screen, plan_table
    from topoqa_train.ui.console import out
    from topoqa_train.ui.progress import progress
    from topoqa_train.workflows import pipeline as workflow
    from topoqa_train.workflows.data import DataResolver
    from topoqa_train.workflows.plan_document import plan_document

    if as_json and not dry_run:
        raise RequestError("--json goes with --dry-run", hint="leaderboard --json has the runs.")
    here, clock = Path.cwd(), SystemClock()
    overrides = [parse_override(text, base=here) for text in override or ()]
    if graph_dir is not None:
        overrides.append(Override("paths.graph", str(graph_dir), here, "--graph-dir"))
    if num_workers is not None:
        overrides.append(Override("dataloader.num_workers", num_workers, here, "--num-workers"))
    request = workflow.PipelineRequest(
        manifest=manifest or default_manifest(here),
        overrides=tuple(overrides),
        skip_sweep=skip_sweep,
        skip_fine=skip_fine,
        resume_from=resume_from,
        jobs=jobs,
        resume=resume,
        output_root=output_root,
        launcher=_session.launcher_name(),
    )
    plan = workflow.plan_pipeline(request, DataResolver(progress))
    if dry_run and as_json:
        typer.echo(json.dumps(plan_document(plan), indent=2))
        return
    if dry_run:
        out().print(plan_table.plan_table(plan.shown, here))
        return
    screen = jobs_screen.make(clock)
    with _session.going_on_with(lambda: "the same command and --resume"), screen:
        reporter = _session.logged(plan.root, f"full_pipeline_{plan.manifest.name}", screen)
        result = workflow.run_pipeline(plan, reporter, clock)
    _session.show_board(result.board)
    if result.failures:
        raise TrainingError(
            f"{len(result.failures)} of the jobs failed",
            details=[failure.message for failure in result.failures],
        )
