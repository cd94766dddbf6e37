"""The pipeline: train a sweep, select its best checkpoint, fine-tune it in two phases.

Fine-tuning alone is the same pipeline without the sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train.clock import Clock
from topoqa_train.config.manifest import load_manifest
from topoqa_train.errors import RequestError, TopoqaTrainError
from topoqa_train.launch.job import Job
from topoqa_train.provenance import diff
from topoqa_train.runs import history, leaderboard, summary
from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.ledger import SelectedCheckpoint
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import RunStore
from topoqa_train.views.progress import PlannedJob, Reporter
from topoqa_train.workflows import checkpoint_selection, fine_tune, previous_session
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import (
    check_and_show,
    identity,
    jobs_at_once,
    make_job,
    root_of_jobs,
)
from topoqa_train.workflows.job_runner import JobRunner, SessionPlan, SessionRequest
from topoqa_train.workflows.previous_session import PreviousSession

PIPELINE, FINE_TUNE = "pipeline", "fine-tune"
SWEEP = "sweep"
# How to get a checkpoint where there is no finished run, by the kind of session.
_HINTS = {
    PIPELINE: "Run the sweep (leave out --skip-sweep), or name one with --resume-from.",
    FINE_TUNE: "Name one with --checkpoint and --run-dir, or train one: topoqa-train pipeline",
}


@dataclass(frozen=True, kw_only=True)
class PipelineRequest(SessionRequest):
    """A pipeline as requested; `kind` is `PIPELINE` or `FINE_TUNE`.

    `resume_from` is a checkpoint to fine-tune instead of the best one, and `run_dir` the run that
    the new runs are named after. `metric` is a column of metrics.csv to select by.
    """

    skip_sweep: bool = False
    skip_fine: bool = False
    resume_from: Path | None = None
    run_dir: Path | None = None
    metric: str | None = None
    kind: str = PIPELINE


@dataclass(frozen=True)
class PipelineResult:
    """All completed runs, ranked, and the checkpoint that was fine-tuned.

    `failures` are those that did not end the session.
    """

    board: Leaderboard
    selected: SelectedCheckpoint
    failures: tuple[TopoqaTrainError, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PipelinePlan(SessionPlan):
    """A pipeline that was checked.

    `selected` is None where the sweep is to give it, or where there is no run to select from.
    """

    request: PipelineRequest
    resolver: DataResolver
    sweep: tuple[Job, ...]
    fine: tuple[Job, ...]
    selected: SelectedCheckpoint | None


def plan_pipeline(request: PipelineRequest, resolver: DataResolver, clock: Clock) -> PipelinePlan:
    """Check manifest, configs, checkpoint, labels, coverage and where runs go.

    Raises:
        RequestError: with every error that was found.
    """
    history.keep_runs()
    _check_request(request)
    manifest = load_manifest(request.manifest, request.overrides)
    root = root_of_jobs(manifest, request.output_root)
    sweep = [
        (plan, make_job(plan, resolver, output_root=request.output_root))
        for plan in (() if request.skip_sweep else manifest.jobs)
    ]
    # The previous session comes before the selection: what it selected must be used again.
    previous = previous_session.find(
        root,
        request.kind,
        manifest.source,
        clock,
        identities={job.name: identity(job) for _, job in sweep if request.resume},
        resume=request.resume,
    )
    selected, missing_start = _selected_before_sweep(request, RunStore(root), previous, clock)
    fine = (
        []
        if request.skip_fine
        else fine_tune.planned(manifest, selected, resolver, request.output_root)
    )
    if fine:
        # A checkpoint that is selected already is checked on the network itself, with the graphs.
        _check_same_network([job for _, job in fine + ([] if selected else sweep)])
    shown = check_and_show(
        manifest.name,
        [(SWEEP, sweep), (fine_tune.PHASE1, fine[:1]), (fine_tune.PHASE2, fine[1:])],
        resolver,
        resumed=lambda job: request.resume and previous.run_of(job.name, identity(job)) is not None,
        at_once=jobs_at_once(request.jobs, [job for _, job in sweep or fine[1:] or fine]),
        keep_going=manifest.continue_on_error,
    )
    return PipelinePlan(
        request=request,
        manifest=manifest,
        resolver=resolver,
        sweep=tuple(job for _, job in sweep),
        fine=tuple(job for _, job in fine),
        to_check=tuple(job for _, job in (*sweep, *fine)),
        selected=selected,
        root=root,
        shown=shown,
        previous=previous,
        notes=_notes(request, previous if sweep or fine else None, selected),
        missing_start=missing_start,
    )


def run_pipeline(plan: PipelinePlan, reporter: Reporter, clock: Clock) -> PipelineResult:
    """Carry out a plan.

    Raises:
        TopoqaTrainError: there is no run to select from, a job failed (with `continue_on_error`:
            all of a phase did), or the process was asked to stop.
    """
    if plan.missing_start is not None:
        raise plan.missing_start
    if plan.selected is not None and not plan.to_check:
        plan.report(reporter)
        return PipelineResult(_board(RunStore(plan.root).all(), clock), plan.selected)
    with plan.started(reporter, clock, takes_over=plan.request.resume) as runner:
        selected = _sweep_and_select(plan, runner)
        if plan.fine:
            output_root = plan.request.output_root
            fine_tune.carry_out(plan.manifest, selected, runner, plan.resolver, output_root)
        runner.ledger.finish(clock)
    return PipelineResult(
        _board(runner.completed, clock), selected, tuple(runner.failures.values())
    )


def _sweep_and_select(plan: PipelinePlan, runner: JobRunner) -> SelectedCheckpoint:
    """Train the sweep, if there is one, and return the checkpoint to fine-tune."""
    # In the ledger before the sweep, so that the sweep does not archive its run, and so that a
    # resumed session does not select again: the best run could then be one of this fine-tuning.
    if plan.selected is not None:
        _record_selected(runner, plan.selected)
    swept: list[RunPaths] = []
    if plan.sweep:
        swept = runner.run(SWEEP, plan.sweep, keep_going=plan.manifest.continue_on_error)
    if plan.selected is not None:
        return plan.selected
    selected = checkpoint_selection.of_sweep(swept, runner.clock, plan.request.metric)
    for line in selected.notes:
        runner.reporter.note(line)
    # In the ledger before phase 1, whose runs must not archive what phase 2 may start from.
    _record_selected(runner, selected)
    return selected


def _record_selected(runner: JobRunner, selected: SelectedCheckpoint) -> None:
    runner.ledger.selected = selected
    runner.ledger.write()


def _check_request(request: PipelineRequest) -> None:
    if request.kind == FINE_TUNE and (request.resume_from is None) != (request.run_dir is None):
        given, missing = "--checkpoint", "--run-dir"
        if request.resume_from is None:
            given, missing = missing, given
        raise RequestError(
            f"{given} needs {missing} too",
            hint="--checkpoint CKPT is what to fine-tune, --run-dir DIR the run that the new runs "
            "are named after. Without both, the best of all finished runs is selected.",
        )
    if request.metric is not None and request.resume_from is not None:
        named = "--resume-from" if request.kind == PIPELINE else "--checkpoint"
        raise RequestError(
            f"--metric selects a checkpoint, and {named} names one", hint="Leave one of them out."
        )


def _selected_before_sweep(
    request: PipelineRequest, store: RunStore, previous: PreviousSession, clock: Clock
) -> tuple[SelectedCheckpoint | None, RequestError | None]:
    """Return what to fine-tune: the given checkpoint, the one of before, or the best.

    It is None if the sweep decides, or if there is no finished run: then the error is returned too,
    because such a plan can still be shown.
    """
    if request.resume_from is not None and request.run_dir is not None:
        return checkpoint_selection.of_run(request.run_dir, request.resume_from, clock), None
    if request.resume_from is not None:
        return checkpoint_selection.of_file(request.resume_from), None
    if not request.skip_sweep:
        return None, None
    if previous.selected is not None:
        return previous.selected, None
    hint = _HINTS[request.kind]
    try:
        return checkpoint_selection.of_finished(store, clock, request.metric, hint), None
    except checkpoint_selection.NoFinishedRunError as error:
        return None, error


def _check_same_network(jobs: Sequence[Job]) -> None:
    """Refuse networks that differ: weights go from the sweep to phase 1 and on to phase 2."""
    networks = [
        job.config.model_dump(mode="json", include={"model", "edge_schema"}) for job in jobs
    ]
    differences = [
        f"{job.name}: {each.what} is {each.then!r}, in {jobs[0].name} {each.now!r}"
        for job, network in zip(jobs, networks, strict=True)
        for each in diff.of_config(network, networks[0])
    ]
    if differences:
        raise RequestError(
            "the sweep and fine-tuning have different networks, so weights can't be passed on",
            details=differences,
            hint="Give them the same model and edge_schema, or leave fine-tuning out: --skip-fine",
        )


def _notes(
    request: PipelineRequest,
    previous: PreviousSession | None,
    selected: SelectedCheckpoint | None,
) -> tuple[str, ...]:
    """Return what to report before the pipeline starts."""
    ignored = (
        "--resume-from is given: fine-tuning starts from it, not from the best of this sweep "
        "(--skip-sweep saves the sweep)."
    )
    return (
        *([ignored] if request.resume_from is not None and not request.skip_sweep else []),
        *(previous.notes if previous is not None else ()),
        *(selected.notes if selected is not None else ()),
    )


def _board(runs: Sequence[RunPaths], clock: Clock) -> Leaderboard:
    readable, unreadable = summary.read_all(list(runs), clock)
    return leaderboard.rank(readable, notes=unreadable)


def to_json(plan: PipelinePlan) -> dict[str, Any]:
    """Return what `pipeline --dry-run --json` prints: all that is decided before the first job."""
    request = plan.request
    jobs = zip(plan.shown.jobs, plan.to_check, strict=True)
    return {
        "manifest": str(plan.manifest.source.absolute()),
        "output_root": str(plan.root),
        "skip_sweep": request.skip_sweep,
        "skip_fine": request.skip_fine,
        "resume": request.resume,
        "resume_from": None if request.resume_from is None else str(request.resume_from),
        "at_once": plan.shown.at_once,
        "jobs": [_job_to_json(shown, job) for shown, job in jobs],
    }


def _job_to_json(shown: PlannedJob, job: Job) -> dict[str, Any]:
    return {
        "phase": shown.phase,
        "name": shown.name,
        "run_name": job.run_name,
        "config": shown.config,
        "epochs": shown.epochs,
        "overrides": {change.key: change.now for change in shown.changes},
        "data": job.data.title,
        "graph": str(job.data.graph),
        "labels": {split: str(path) for split, path in job.data.labels().items()},
    }
