"""`topoqa-train run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands.common import arguments, completion, options, session


def run(
    config: options.Config = None,
    from_run: Annotated[
        Path | None,
        typer.Option(
            help="Rerun this run (directory or name) instead of a config; other options replace "
            "the values it was trained with.",
            autocompletion=completion.runs,
            metavar="RUN",
        ),
    ] = None,
    run_name: Annotated[
        str | None,
        typer.Option(help="Exact name of the run's directory, which must be new.", metavar="NAME"),
    ] = None,
    override: options.Overrides = None,
    resume_from: Annotated[
        Path | None,
        typer.Option(help="Start from the weights of this checkpoint.", metavar="CKPT"),
    ] = None,
    fast_dev_run: options.FastDevRun = False,
    limit_train_batches: Annotated[
        str | None,
        typer.Option(
            help="Training batches per epoch: a number, or a share such as 0.1.", metavar="N"
        ),
    ] = None,
    limit_val_batches: Annotated[
        str | None,
        typer.Option(
            help="Validation batches per epoch: a number, or a share such as 0.5.", metavar="N"
        ),
    ] = None,
    log_lr: Annotated[
        bool, typer.Option("--log-lr", help="Log the learning rate each epoch.")
    ] = False,
    notes: Annotated[
        str | None, typer.Option(help="Text for run_metadata.json.", metavar="TEXT")
    ] = None,
    trial_label: Annotated[
        str | None, typer.Option(help="Text for run_metadata.json.", metavar="TEXT")
    ] = None,
    trainer_arg: Annotated[
        list[str] | None,
        typer.Option(
            help="Argument of lightning.Trainer, e.g. gradient_clip_val=0.5; repeatable.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    output_root: options.OutputRoot = None,
) -> None:
    """Train one job from a YAML config, or rerun an earlier run.

    The run gets a directory under training_runs/ with its config, metrics, checkpoints and log.
    With --from-run the changes since that run are reported first and, at the end, whether the
    numbers are equal; the exit status is 0 either way.

    Example: topoqa-train run -c sched_boost_seed222 -o trainer.num_epochs=20
    """
    from topoqa_train.clock import SystemClock
    from topoqa_train.config.job_plan import JobPlan
    from topoqa_train.config.load import load_config
    from topoqa_train.config.names import plain_name
    from topoqa_train.config.overrides import parse_override, parse_trainer_args
    from topoqa_train.config.recipes import locate, shipped_names
    from topoqa_train.config.run_options import RunOptions
    from topoqa_train.errors import RequestError
    from topoqa_train.ui.live.progress import progress
    from topoqa_train.workflows import rerun
    from topoqa_train.workflows import run as workflow
    from topoqa_train.workflows.data_resolver import DataResolver

    resolver = DataResolver(progress)
    overrides = [parse_override(text, base=Path.cwd()) for text in override or ()]
    options = RunOptions.given(
        fast_dev_run=fast_dev_run,
        limit_train_batches=arguments.batch_limit(limit_train_batches, "--limit-train-batches"),
        limit_val_batches=arguments.batch_limit(limit_val_batches, "--limit-val-batches"),
        log_lr=log_lr,
        trainer_args=parse_trainer_args(trainer_arg or []),
        weights_from=resume_from,
        notes=notes,
        trial_label=trial_label,
    )
    if from_run is not None and config is None:
        request = rerun.RerunRequest(
            run=arguments.run_to_repeat(from_run, output_root),
            overrides=overrides,
            run_name=run_name,
            options=options,
        )
        session.train(rerun.plan_rerun(request, resolver, SystemClock(), output_root=output_root))
        return
    if config is None or from_run is not None:
        if config is not None:
            raise RequestError("give --config or --from-run, not both")
        raise RequestError(
            "give --config, or --from-run with a run to rerun",
            hint="\n  ".join(["Shipped configs:", *shipped_names("configs")]),
        )
    source = locate("configs", config)
    plan = JobPlan(
        name=plain_name(source.stem),
        config=load_config(source, overrides),
        run_name=run_name,
        options=options,
    )
    session.train(workflow.plan_run(plan, resolver, output_root=output_root))
