"""`topoqa-train run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from topoqa_train.commands import _complete, _options, _session


def run(
    config: Annotated[
        Path,
        typer.Option(
            "--config",
            "-c",
            help="YAML config, or the name of a shipped one.",
            autocompletion=_complete.configs,
            metavar="FILE",
        ),
    ],
    run_name: Annotated[
        str | None,
        typer.Option(help="The run's directory, as it stands; refused if taken.", metavar="NAME"),
    ] = None,
    override: _options.Overrides = None,
    resume_from: Annotated[
        Path | None,
        typer.Option(help="Start from the weights of this checkpoint.", metavar="CKPT"),
    ] = None,
    fast_dev_run: _options.FastDevRun = False,
    limit_train_batches: Annotated[
        str | None,
        typer.Option(help="Batches an epoch: a number, or a share such as 0.1.", metavar="N"),
    ] = None,
    limit_val_batches: Annotated[
        str | None,
        typer.Option(help="Validation batches: a number, or a share such as 0.5.", metavar="N"),
    ] = None,
    log_lr: Annotated[
        bool, typer.Option("--log-lr", help="Log the learning rate each epoch.")
    ] = False,
    notes: Annotated[str | None, typer.Option(help="Kept in run_metadata.json.")] = None,
    trial_label: Annotated[str | None, typer.Option(help="Kept in run_metadata.json.")] = None,
    trainer_arg: Annotated[
        list[str] | None,
        typer.Option(
            help="An argument of lightning.Trainer, e.g. gradient_clip_val=0.5; repeatable.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    output_root: _options.OutputRoot = None,
) -> None:
    """Train one job from a YAML config.

    The run gets a directory of its own under training_runs/ with its config, metrics,
    checkpoints and log.

    Example: topoqa-train run -c sched_boost_seed222 -o trainer.num_epochs=20
    """
    from topoqa_train.config.load import load_config
    from topoqa_train.config.names import plain_name
    from topoqa_train.config.overrides import parse_override, parse_trainer_args
    from topoqa_train.config.plan import JobPlan
    from topoqa_train.config.recipes import locate

    source = locate("configs", config)
    overrides = [parse_override(text, base=Path.cwd()) for text in override or ()]
    plan = JobPlan(
        name=plain_name(source.stem),
        config=load_config(source, overrides),
        run_name=run_name,
        resume_from=resume_from,
        notes=notes,
        trial_label=trial_label,
        fast_dev_run=fast_dev_run,
        limit_train_batches=_session.batch_limit(limit_train_batches, "--limit-train-batches"),
        limit_val_batches=_session.batch_limit(limit_val_batches, "--limit-val-batches"),
        log_lr=log_lr,
        trainer_args=parse_trainer_args(trainer_arg or []),
    )
    _session.run_one(plan, output_root=output_root)
