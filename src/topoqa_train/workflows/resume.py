"""Going on with a run in its own directory, with everything it had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train.clock import Clock
from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.load import LoadedConfig, load_config
from topoqa_train.config.models import SECTIONS, TrainingConfig
from topoqa_train.config.overrides import Override
from topoqa_train.errors import RequestError
from topoqa_train.provenance import run_options
from topoqa_train.runs import summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import epoch_of
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import current_checkpoint
from topoqa_train.runs.summary import RunSummary
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import existing_checkpoint, make_job
from topoqa_train.workflows.previous_session import ALIVE
from topoqa_train.workflows.run import RunPlan, plan_of_one


@dataclass(frozen=True)
class ResumeRequest:
    """Which run, from which of its checkpoints (None: the last), with what changed."""

    run: RunPaths
    overrides: Sequence[Override] = ()
    checkpoint: Path | None = None


def plan_resume(request: ResumeRequest, resolver: DataResolver, clock: Clock) -> RunPlan:
    """The run's own config and options, with the overrides on top.

    Raises:
        RequestError: there is no such run, it is running or read-only, its checkpoint does
            not fit what it is asked to be, or there is nothing left to do.
    """
    run = summary.read(request.run, clock)
    _check_may_go_on(run)
    config = load_config(request.run.config, request.overrides)
    _check_whole(config, run)
    plan = JobPlan(
        name=run.metadata.job or request.run.run_id,
        config=config,
        options=run_options.options(run),
    )
    job = make_job(plan, resolver, output_root=request.run.root.parent)
    if any(override.key == "trainer.num_epochs" for override in request.overrides):
        # Asked for by number, a try-out goes further than its one epoch.
        job = job.model_copy(update={"config": config.config})
    checkpoint = _own_checkpoint(request)
    begun = checkpoint is not None or run.shelf.last is not None or bool(run.shelf.files)
    changes = _changes(run, job.config) if begun else []
    _check_fits(changes)
    if checkpoint is not None:
        _check_epochs_after(checkpoint, job.config.trainer.num_epochs)
    elif run.status == Status.COMPLETED:
        _check_work_left(run, job.config.trainer.num_epochs, job.config.early_stopping.patience)
    job = job.model_copy(
        update={
            "resume_run": request.run.root,
            "resume_checkpoint": checkpoint,
            "overrides": {**run.metadata.overrides, **job.overrides},
            "options": job.options.model_copy(
                update={"weights_from": None if begun else _start_of(run)}
            ),
        }
    )
    return RunPlan(job, plan_of_one(plan, job, resolver), tuple(_other_numbers(changes)))


def _check_may_go_on(run: RunSummary) -> None:
    run_id = run.paths.run_id
    if run.read_only:
        raise RequestError(
            f"{run_id} is {run.kind}: it can be read, but not resumed",
            hint="A new run can start from its weights, where they fit: "
            "topoqa-train run --resume-from CKPT",
        )
    if run.status in ALIVE:
        raise RequestError(
            f"{run_id} is running",
            hint="Stop it first, or wait until it is done. How far it is: "
            f"topoqa-train monitor --run-dir {run.paths.root}",
        )


def _check_whole(config: LoadedConfig, run: RunSummary) -> None:
    """A config that lost its end may still be one, and a default is not what the run had."""
    recorded_keys = [
        f"{section}.{key}"
        for section, values in run.metadata.config.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
        if value not in (None, {})
    ]
    unsaid = config.unsaid(recorded_keys)
    if unsaid:
        more = f" and {len(unsaid) - _NAMED} more" if len(unsaid) > _NAMED else ""
        raise RequestError(
            f"{run.paths.config} is damaged: it does not say any more what the run was trained "
            "with",
            details=[", ".join(unsaid[:_NAMED]) + more],
            hint=f"Write it again: under 'config', {run.paths.metadata.name} has all values.",
        )


_NAMED = 6
# What a checkpoint brings back or was measured by: set otherwise, it would be said and not done.
_KEPT = ("optimizer", "scheduler", "selection")
_NETWORK = ("model", "edge_schema")
# What may change, but makes other numbers.
_NUMBERS = (
    "dataloader.batch_size",
    "dataloader.seed",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.precision",
    "trainer.accumulate_grad_batches",
    "trainer.threads",
)


@dataclass(frozen=True)
class _Change:
    key: str
    then: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key}: {self.then!r} in the run, {self.now!r} now"


def _changes(run: RunSummary, config: TrainingConfig) -> list[_Change]:
    """What is set otherwise than when the run was last at work, by an override or by hand."""
    then = _trained_with(run)
    document = config.model_dump(mode="json")
    now = {
        f"{section}.{key}": value
        for section, values in document.items()
        for key, value in values.items()
    }
    return [
        _Change(key, value, now[key])
        for key, value in then.items()
        if key in now and value != now[key]
    ]


def _trained_with(run: RunSummary) -> dict[str, Any]:
    """By dotted keys, what the metadata say that the run was trained with."""
    said = dict(run.metadata.training_parameters)
    scheduler = said.pop("scheduler", None)
    named = {
        "learning_rate": "optimizer.learning_rate",
        "edge_layer_norm": "edge_schema.use_layer_norm",
    }
    sections = [
        (name, model)
        for name, model in SECTIONS.items()
        if name in ("model", "dataloader", "trainer")
    ]
    named |= {key: f"{name}.{key}" for name, model in sections for key in model.model_fields}
    found = {named[key]: value for key, value in said.items() if key in named}
    for section, values in (("scheduler", scheduler), ("selection", run.metadata.selection)):
        if isinstance(values, Mapping):
            found |= {f"{section}.{key}": value for key, value in values.items()}
    return found


def _check_fits(changes: Sequence[_Change]) -> None:
    """What the checkpoint can't take on, or would undo: say so before anything is touched."""
    network = [str(change) for change in changes if _section(change) in _NETWORK]
    if network:
        raise RequestError(
            "the run's checkpoint is of another network than this config's",
            details=network,
            hint="Leave the network as it is, or start a new run.",
        )
    kept = [str(change) for change in changes if _section(change) in _KEPT]
    if kept:
        raise RequestError(
            "these go on as they were in a run that is resumed, and can't be set anew",
            details=kept,
            hint="Leave them as they are, or start a new run from its weights: "
            "topoqa-train run --resume-from CKPT",
        )


def _section(change: _Change) -> str:
    return change.key.partition(".")[0]


def _other_numbers(changes: Sequence[_Change]) -> Iterator[str]:
    for change in changes:
        if change.key in _NUMBERS:
            yield f"{change}: from here on the numbers are not those of a run never stopped."


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
    epoch = epoch_of(checkpoint.name)
    if epoch is not None and epoch + 1 >= num_epochs:
        raise RequestError(
            f"after {checkpoint.name} there is no epoch left of {num_epochs}",
            hint=f"To go further: --override trainer.num_epochs={2 * (epoch + 1)}",
        )


def _start_of(run: RunSummary) -> Path | None:
    """The weights to start from anew, for a run that was stopped before its first epoch's end."""
    start = (run.metadata.started_from or {}).get("checkpoint")
    if not isinstance(start, str):
        return None
    file = current_checkpoint(Path(start))
    if not file.is_file():
        raise RequestError(
            f"{run.paths.run_id} was stopped before its first epoch's end, and the checkpoint that "
            "it started from is gone",
            details=[start],
            hint="Bring it back, or start a new run: topoqa-train run --resume-from CKPT -c "
            f"{run.paths.config}",
        )
    return file


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
