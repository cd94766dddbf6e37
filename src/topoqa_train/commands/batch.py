"""`topoqa-train batch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from topoqa_train.commands.common import arguments, completion, options, session


def batch(
    manifest: options.Manifest = None,
    override: Annotated[
        list[str] | None,
        typer.Option(
            "--override",
            "-o",
            help="Set one value of every job's config (trainer.num_epochs=10) or of the manifest "
            "(shared.notes=x, jobs.NAME.overrides.KEY=x); repeatable.",
            autocompletion=completion.keys,
            metavar="KEY=VALUE",
        ),
    ] = None,
    jobs: options.Jobs = None,
    continue_on_error: Annotated[
        bool,
        typer.Option(
            "--continue-on-error",
            help="Continue with the other jobs when one fails. Default: the manifest's setting.",
        ),
    ] = False,
    stop_on_error: Annotated[
        bool, typer.Option("--stop-on-error", help="Start no other job when one fails.")
    ] = False,
    only: Annotated[
        Literal["failed", "missing"] | None,
        typer.Option(
            help="Restart some jobs: failed, those that the last batch started and did not "
            "complete; missing, those without any run.",
            metavar="WHICH",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Resume the last batch of this manifest: keep completed jobs, resume stopped ones "
            "and start the others.",
        ),
    ] = False,
    fast_dev_run: options.FastDevRun = False,
    dry_run: options.DryRun = False,
    output_root: options.OutputRoot = None,
) -> None:
    """Train every job of a manifest and report each outcome.

    All jobs are checked before the first one starts. The exit status is 1 if any job failed.

    Example: topoqa-train batch --manifest run_core -o trainer.num_epochs=20
    """
    from topoqa_train.clock import SystemClock
    from topoqa_train.config.recipes import default_manifest
    from topoqa_train.config.run_options import RunOptions
    from topoqa_train.errors import RequestError
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.workflows import batch as workflow
    from topoqa_train.workflows.data_resolver import DataResolver

    if continue_on_error and stop_on_error:
        raise RequestError("give --continue-on-error or --stop-on-error, not both")
    request = workflow.BatchRequest(
        manifest=manifest or default_manifest(Path.cwd()),
        overrides=arguments.overrides(override),
        jobs=jobs,
        keep_going=continue_on_error if continue_on_error or stop_on_error else None,
        only=None if only is None else workflow.Only(only),
        resume=resume,
        options=RunOptions.given(fast_dev_run=fast_dev_run),
        output_root=output_root,
        launcher=arguments.launcher_name(),
    )
    plan = workflow.plan_batch(request, DataResolver(progress), SystemClock())
    if dry_run:
        session.rehearse(plan)
    else:
        session.train_batch(plan)
