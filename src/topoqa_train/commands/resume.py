"""`topoqa-train resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands.common import arguments, options, session


def resume(
    run_dir: options.RunDir = None,
    run_id: options.RunId = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="Restart from this checkpoint of the run; later epochs are trained again.",
            metavar="CKPT",
        ),
    ] = None,
    override: options.Overrides = None,
    run_root: options.RunRoot = None,
) -> None:
    """Resume a run in its own directory, after its last complete epoch.

    Weights, optimizer, scheduler, early stopping, ranking and random states are restored: the run
    ends with the same numbers as one that was never stopped.

    Example: topoqa-train resume --run-id latest -o trainer.num_epochs=400
    """
    from topoqa_train.clock import SystemClock
    from topoqa_train.config.overrides import parse_override
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.workflows import resume as workflow
    from topoqa_train.workflows.data_resolver import DataResolver

    request = workflow.ResumeRequest(
        run=arguments.chosen_run(run_dir, run_id, run_root),
        overrides=[parse_override(text, base=Path.cwd()) for text in override or ()],
        checkpoint=checkpoint,
    )
    plan = workflow.plan_resume(request, DataResolver(progress), SystemClock())
    session.train(plan)
