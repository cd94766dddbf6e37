"""Going on with a run in its own directory, with everything it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.config.load import load_config
from topoqa_train.config.models import TrainingConfig
from topoqa_train.config.overrides import Override
from topoqa_train.config.plan import JobPlan
from topoqa_train.errors import RequestError
from topoqa_train.runs import summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import RunSummary
from topoqa_train.workflows.data import DataResolver
from topoqa_train.workflows.jobs import existing_checkpoint, make_job, network_differences
from topoqa_train.workflows.run import RunPlan, shown_plan


@dataclass(frozen=True)
class ResumeRequest:
    """Which run, from which of its checkpoints (None: the last), with what changed."""

    run: RunPaths
    overrides: Sequence[Override] = ()
    checkpoint: Path | None = None


def plan_resume(request: ResumeRequest, resolver: DataResolver, clock: Clock) -> RunPlan:
    """The run's own config and options, with the overrides on top.

    Raises:
        RequestError: there is no such run, it is running, or there is nothing left to do.
    """
    run = summary.read(request.run, clock)
    if run.status == Status.RUNNING:
        raise RequestError(
            f"{request.run.run_id} is running", hint="Stop it first, or wait until it is done."
        )
    config = load_config(request.run.config, request.overrides)
    _check_same_network(load_config(request.run.config).config, config.config)
    options = run.metadata.training_parameters
    plan = JobPlan(
        name=run.metadata.job or request.run.run_id,
        config=config,
        fast_dev_run=bool(options.get("fast_dev_run", False)),
        limit_train_batches=options.get("limit_train_batches"),
        limit_val_batches=options.get("limit_val_batches"),
        trainer_args=dict(options.get("trainer_args") or {}),
        notes=run.metadata.notes,
        trial_label=run.metadata.trial_label,
    )
    job = make_job(plan, resolver, output_root=request.run.root.parent)
    checkpoint = _own_checkpoint(request)
    if checkpoint is None:
        _check_work_left(run, job.config.trainer.num_epochs, job.config.early_stopping.patience)
    else:
        _check_epochs_after(checkpoint, job.config.trainer.num_epochs)
    job = job.model_copy(
        update={
            "resume_run": request.run.root,
            "resume_checkpoint": checkpoint,
            "overrides": {**run.metadata.overrides, **job.overrides},
            "weights_from": _start_of(run),
        }
    )
    return RunPlan(job, shown_plan(job))


def _check_same_network(before: TrainingConfig, now: TrainingConfig) -> None:
    """A changed network can't take the run's weights: say so before anything is touched."""
    differences = network_differences(before, now)
    changed = [f"{key}: {old!r} in the run, {new!r} now" for key, old, new in differences]
    if changed:
        raise RequestError(
            "the run's checkpoint is of another network than this config's",
            details=changed,
            hint="Leave the network as it is, or start a new run.",
        )


def _own_checkpoint(request: ResumeRequest) -> Path | None:
    if request.checkpoint is None:
        return None
    file = existing_checkpoint(request.checkpoint).resolve()
    if file.parent != request.run.checkpoints.resolve():
        raise RequestError(
            f"{request.checkpoint} is no checkpoint of {request.run.run_id}",
            hint="To start a new run from its weights: topoqa-train run --resume-from CKPT",
        )
    return None if file == request.run.last.resolve() else file


def _check_epochs_after(checkpoint: Path, num_epochs: int) -> None:
    """Going back for nothing would only lose the later epochs and their checkpoints."""
    epoch = summary.epoch_of(checkpoint.name)
    if epoch is not None and epoch + 1 >= num_epochs:
        raise RequestError(
            f"after {checkpoint.name} there is no epoch left of {num_epochs}",
            hint=f"To go further: --override trainer.num_epochs={2 * (epoch + 1)}",
        )


def _start_of(run: RunSummary) -> Path | None:
    """The weights a run started from, should it have been stopped before its first epoch's end."""
    start = (run.metadata.started_from or {}).get("checkpoint")
    return Path(start) if start and not run.paths.last.exists() else None


def _check_work_left(run: RunSummary, num_epochs: int, patience: int) -> None:
    progress = run.metadata.progress
    done = int(progress.get("epochs_done") or 0)
    if done >= num_epochs:
        raise RequestError(
            f"{run.paths.run_id} has done all of its {done} epochs",
            hint=f"To go further: --override trainer.num_epochs={2 * done}",
        )
    waited = int(progress.get("epochs_without_gain") or 0)
    if waited >= max(1, patience):
        raise RequestError(
            f"{run.paths.run_id} was ended by early stopping, {waited} epochs after its best",
            hint=f"To go further: --override early_stopping.patience={2 * waited}",
        )
