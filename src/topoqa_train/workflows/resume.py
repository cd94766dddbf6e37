"""Resume a run in its own directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.load import LoadedConfig, load_config
from topoqa_train.config.overrides import Override
from topoqa_train.errors import RequestError
from topoqa_train.launch.job import Job
from topoqa_train.provenance import diff
from topoqa_train.provenance.diff import Difference
from topoqa_train.runs import summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import epoch_of
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import RunSummary
from topoqa_train.workflows import recorded_run
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import existing_checkpoint, make_job
from topoqa_train.workflows.recorded_run import NUM_EPOCHS
from topoqa_train.workflows.run import RunPlan, plan_of_one

_SHOWN = 6
_NETWORK = ("model", "edge_schema")
# A checkpoint restores these, or was ranked by them: a change would be accepted but have no effect.
_RESTORED = ("optimizer", "scheduler", "selection")


@dataclass(frozen=True)
class ResumeRequest:
    """The run, overrides of its config, and the checkpoint to resume from (None: the last)."""

    run: RunPaths
    overrides: Sequence[Override] = ()
    checkpoint: Path | None = None


def plan_resume(request: ResumeRequest, resolver: DataResolver, clock: Clock) -> RunPlan:
    """Return the job that resumes the run, with its own config and options and the overrides.

    Raises:
        RequestError: there is no such run, it is running or read-only, its checkpoint does not fit
            the overrides, or there is nothing left to do.
    """
    run = summary.read(request.run, clock)
    _check_writable(run)
    recorded_run.check_not_running(run)
    config = load_config(request.run.config, request.overrides)
    _check_complete(config, run)
    plan = JobPlan(
        name=run.metadata.job or request.run.run_id,
        config=config,
        options=recorded_run.options(run),
    )
    job = make_job(plan, resolver, output_root=request.run.root.parent)
    if any(override.key == NUM_EPOCHS for override in request.overrides):
        # An explicit number of epochs wins over the one epoch of a fast dev run.
        job = job.model_copy(update={"config": config.config})
    checkpoint = _own_checkpoint(request)
    # Before its first checkpoint a run can only start from the beginning: everything may change.
    trained = checkpoint is not None or run.shelf.last is not None or bool(run.shelf.files)
    changes = _changes(run, job) if trained else []
    _check_fits(changes)
    _check_work_left(run, checkpoint, job)
    weights = None if trained else recorded_run.starting_checkpoint(run)
    job = job.model_copy(
        update={
            "resume_run": request.run.root,
            "resume_checkpoint": checkpoint,
            "overrides": {**run.metadata.overrides, **job.overrides},
            "options": job.options.model_copy(update={"weights_from": weights}),
        }
    )
    notes = [
        f"{change}: from here on the results differ from those of an uninterrupted run."
        for change in changes
        if change.kind == "asked"
    ]
    return RunPlan(job, plan_of_one(plan, job, resolver), tuple(notes))


def _check_writable(run: RunSummary) -> None:
    if run.read_only:
        raise RequestError(
            f"{run.paths.run_id} is {run.kind}: it can be read, but not resumed",
            hint="A new run can start from its weights if they fit: "
            "topoqa-train run --resume-from CKPT",
        )


def _check_complete(config: LoadedConfig, run: RunSummary) -> None:
    """Refuse a config.yaml that has lost keys.

    A truncated YAML file may still be valid, but defaults are not what the run was trained with.
    """
    recorded = diff.flat(run.metadata.config)
    missing = config.missing_from_source(
        key for key, value in recorded.items() if value not in (None, {})
    )
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise RequestError(
            f"{run.paths.config} is damaged: keys that the run was trained with are missing",
            details=[", ".join(missing[:_SHOWN]) + more],
            hint=f"Write it again: under 'config', {run.paths.metadata.name} has all values.",
        )


def _changes(run: RunSummary, job: Job) -> list[Difference]:
    """Return what differs from the recorded config, by an override or by hand.

    A key that only one side has was added or removed by another version of this program.
    """
    found = diff.of_config(recorded_run.config(run), diff.relevant_config(job.config))
    return [each for each in found if None not in (each.then, each.now)]


def _check_fits(changes: Sequence[Difference]) -> None:
    network = _in_sections(changes, _NETWORK)
    if network:
        raise RequestError(
            "the run's checkpoint is of another network than this config's",
            details=network,
            hint="Leave the network as it is, or start a new run.",
        )
    restored = _in_sections(changes, _RESTORED)
    if restored:
        raise RequestError(
            "a resumed run keeps these as they were; they can't be changed",
            details=restored,
            hint="Leave them as they are, or start a new run from its weights: "
            "topoqa-train run --resume-from CKPT",
        )


def _in_sections(changes: Sequence[Difference], sections: Sequence[str]) -> list[str]:
    return [str(each) for each in changes if each.what.partition(".")[0] in sections]


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


def _check_work_left(run: RunSummary, checkpoint: Path | None, job: Job) -> None:
    epochs, patience = job.config.trainer.num_epochs, job.config.early_stopping.patience
    run_id, progress = run.paths.run_id, run.metadata.progress
    if checkpoint is not None:
        # Going back would only delete the later epochs and their checkpoints.
        epoch = epoch_of(checkpoint.name)
        if epoch is not None and epoch + 1 >= epochs:
            raise _nothing_left(f"no epoch left of {epochs} after {checkpoint.name}", epoch + 1)
    elif run.status == Status.COMPLETED:
        done = int(progress.get("epochs_done") or 0)
        if done >= epochs:
            raise _nothing_left(f"{run_id} has done all of its {done} epochs", done)
        waited = int(progress.get("epochs_without_gain") or 0)
        if waited >= max(1, patience):
            raise RequestError(
                f"{run_id} was ended by early stopping, {waited} epochs after its best",
                hint=f"To go further: --override early_stopping.patience={2 * waited}",
            )


def _nothing_left(message: str, done: int) -> RequestError:
    return RequestError(message, hint=f"To go further: --override {NUM_EPOCHS}={2 * done}")
