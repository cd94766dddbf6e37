"""A batch: every job of a manifest, checked before the first one starts, each outcome reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import (
    InterruptedRunError,
    RequestError,
    TerminatedRunError,
    TopoqaTrainError,
)
from topoqa_train.launch.job import Job
from topoqa_train.runs import history, leaderboard, ledger, summary
from topoqa_train.runs.leaderboard import Entry, Leaderboard
from topoqa_train.runs.ledger import Ledger
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore
from topoqa_train.runs.summary import Glance
from topoqa_train.views.progress import JobOutcome, JobState, Reporter
from topoqa_train.workflows import previous_session
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import (
    check_and_show,
    identity,
    jobs_at_once,
    make_job,
    root_of_jobs,
)
from topoqa_train.workflows.job_runner import JobRunner, SessionPlan, SessionRequest
from topoqa_train.workflows.previous_session import ALIVE, PreviousSession

BATCH = "batch"
_STATES: Mapping[Status, JobState] = {
    Status.COMPLETED: "done",
    Status.FAILED: "failed",
    Status.INTERRUPTED: "interrupted",
    Status.CREATED: "running",
    Status.RUNNING: "running",
}


class Only(StrEnum):
    """Which jobs of a manifest to start over."""

    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class BatchRequest(SessionRequest):
    """A batch as requested. `keep_going` None means what the manifest's `continue_on_error` says.

    `options` are set over those of every job.
    """

    keep_going: bool | None = None
    only: Only | None = None
    options: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True, kw_only=True)
class BatchPlan(SessionPlan):
    """A batch that was checked.

    `jobs` are all of the manifest, `chosen` those that this session is about; there are none where
    nothing is left to do. `before` are the runs of jobs that an earlier session started and this
    one takes into account.
    """

    request: BatchRequest
    jobs: tuple[Job, ...]
    chosen: tuple[Job, ...]
    before: Mapping[str, Glance]


@dataclass(frozen=True)
class BatchResult:
    """The outcome of every job of the manifest, in its order, and their leaderboard.

    `failures` are the errors of this session's jobs; `stopped` is set if it was asked to stop.
    """

    outcomes: tuple[JobOutcome, ...]
    board: Leaderboard
    failures: tuple[TopoqaTrainError, ...] = ()
    stopped: TopoqaTrainError | None = None


def plan_batch(request: BatchRequest, resolver: DataResolver, clock: Clock) -> BatchPlan:
    """Check manifest, configs, labels, coverage, checkpoints and where runs go.

    Raises:
        RequestError: with every error that was found.
    """
    history.keep_runs()
    if request.resume and request.only is not None:
        raise RequestError(
            f"--resume continues jobs, --only {request.only} starts them over",
            hint="Leave one of them out.",
        )
    manifest = load_manifest(request.manifest, request.overrides)
    root = root_of_jobs(manifest, request.output_root)
    plans = [replace(plan, options=request.options.over(plan.options)) for plan in manifest.jobs]
    jobs = [make_job(plan, resolver, output_root=request.output_root) for plan in plans]
    # Label files are hashed for an identity, so a batch that starts over does without them here.
    identities = {job.name: identity(job) for job in jobs if request.resume or request.only}
    previous = previous_session.find(
        root, BATCH, manifest.source, clock, identities=identities, resume=request.resume
    )
    before = _before(request, jobs, identities, root, previous, clock)
    chosen = _chosen(request, jobs, before)
    names = {job.name for job in chosen}
    pairs = [(plan, job) for plan, job in zip(plans, jobs, strict=True) if job.name in names]
    shown = check_and_show(
        manifest.name,
        [(BATCH, pairs)],
        resolver,
        resumed=lambda job: request.resume and job.name in before,
        at_once=jobs_at_once(request.jobs, chosen),
        keep_going=(
            manifest.continue_on_error if request.keep_going is None else request.keep_going
        ),
    )
    return BatchPlan(
        request=request,
        manifest=manifest,
        jobs=tuple(jobs),
        chosen=tuple(chosen),
        # The graphs of a completed job need no check: nothing will read them.
        to_check=tuple(job for job in chosen if not (request.resume and _is_done(job, before))),
        root=root,
        shown=shown,
        previous=previous,
        before=before,
        notes=tuple(_notes(request, previous, jobs, chosen)),
    )


def run_batch(plan: BatchPlan, reporter: Reporter, clock: Clock) -> BatchResult:
    """Carry out a plan. Failed jobs and a request to stop are in the result.

    Raises:
        TopoqaTrainError: the check before the first job failed, or was stopped.
    """
    request, last = plan.request, plan.previous.ledger
    if not plan.chosen:
        for line in plan.notes:
            reporter.note(line)
        if request.resume and last is not None and last.completed is None:
            last.finish(clock)  # it was stopped after its last job
        return _result(plan, None, clock)
    takes_over = request.resume or request.only is not None
    with plan.started(reporter, clock, takes_over=takes_over) as runner:
        _take_over(plan, runner.ledger)
        stopped = _attempt(plan, runner)
    return _result(plan, runner, clock, stopped)


def _attempt(plan: BatchPlan, runner: JobRunner) -> TopoqaTrainError | None:
    """Do the jobs; return the error if the process was asked to stop."""
    try:
        runner.attempt(BATCH, plan.chosen, keep_going=plan.shown.keep_going)
    except (InterruptedRunError, TerminatedRunError) as error:
        return error
    # A batch that has tried every job is finished even if some failed: the next one need not offer
    # to resume it, and `--only failed` starts the failed jobs over.
    if all(job.name in {*runner.runs, *runner.failures} for job in plan.chosen):
        runner.ledger.finish(runner.clock)
    return None


def _take_over(plan: BatchPlan, book: Ledger) -> None:
    """Enter the runs of this batch's jobs that other sessions started."""
    for job in plan.jobs:
        if job.name in plan.before and book.run_of(job.name) is None:
            run_id = plan.before[job.name].paths.run_id
            book.add(job.name, identity(job), run_id, job.output_root)
    # One write for all jobs: a kill in between would leave a ledger that misses some of them.
    book.write()


def _before(
    request: BatchRequest,
    jobs: Sequence[Job],
    identities: Mapping[str, str],
    root: Path,
    previous: PreviousSession,
    clock: Clock,
) -> dict[str, Glance]:
    """Return the runs, by job, that this session resumes or leaves alone."""
    found: dict[str, Glance | None] = {}
    if request.only == Only.MISSING:
        ledgers = ledger.every(root, previous.manifest)  # of batches and pipelines
        found = {job.name: _ever_started(job, identities[job.name], ledgers, clock) for job in jobs}
    elif request.only == Only.FAILED:
        if previous.ledger is None:
            raise RequestError(
                f"there is no batch of {previous.manifest.name} whose failed jobs could be done",
                hint="Start one without --only.",
            )
        # By name: the config may have been corrected since.
        found = {job.name: previous.run_of(job.name) for job in jobs}
    elif request.resume:
        found = {job.name: previous.run_of(job.name, identities[job.name]) for job in jobs}
    return {name: run for name, run in found.items() if run is not None}


def _ever_started(
    job: Job, job_identity: str, ledgers: Sequence[Ledger], clock: Clock
) -> Glance | None:
    for run_id in (each.run_of(job.name, job_identity) for each in ledgers):
        if run_id is not None:
            with suppress(RequestError):
                return summary.glance(RunStore(job.output_root).find(run_id), clock)
    return None


def _chosen(request: BatchRequest, jobs: Sequence[Job], before: Mapping[str, Glance]) -> list[Job]:
    if request.only == Only.MISSING:
        return [job for job in jobs if job.name not in before]
    if request.only == Only.FAILED:
        finished = (Status.COMPLETED, *ALIVE)
        return [
            job for job in jobs if job.name in before and before[job.name].status not in finished
        ]
    if request.resume and all(_is_done(job, before) for job in jobs):
        return []
    return list(jobs)


def _is_done(job: Job, before: Mapping[str, Glance]) -> bool:
    return job.name in before and before[job.name].status == Status.COMPLETED


def _notes(
    request: BatchRequest, previous: PreviousSession, jobs: Sequence[Job], chosen: Sequence[Job]
) -> Iterator[str]:
    """Yield what to report before the batch starts."""
    manifest = previous.manifest.name
    yield from previous.notes if request.only is None else previous.warnings
    if request.only == Only.FAILED:
        if not chosen:
            yield f"Nothing to do: no job of the last batch of {manifest} failed."
        never = [job.name for job in jobs if previous.run_of(job.name) is None]
        if never:
            yield f"Never started, and left out: {', '.join(never)}. --only missing starts them."
    elif not chosen:
        state = "has a run" if request.only == Only.MISSING else "is done"
        yield f"Nothing to do: every job of {manifest} {state}."


def _result(
    plan: BatchPlan, runner: JobRunner | None, clock: Clock, stopped: TopoqaTrainError | None = None
) -> BatchResult:
    """Read back the run of every job, whichever session did it."""
    started = {} if runner is None else runner.runs
    failures = {} if runner is None else runner.failures
    runs = {**{name: run.paths for name, run in plan.before.items()}, **started}
    readable, unreadable = summary.read_all(
        [runs[job.name] for job in plan.jobs if job.name in runs], clock
    )
    ranked = leaderboard.rank(readable, notes=unreadable)
    entries = {entry.run.paths: entry for entry in ranked.entries}
    now = set(started) - (set() if runner is None else runner.skipped)
    outcomes = [
        _outcome(
            job.name,
            entries.get(runs[job.name]) if job.name in runs else None,
            ranked.metric,
            failures.get(job.name),
            now=job.name in now,
        )
        for job in plan.jobs
    ]
    return BatchResult(tuple(outcomes), ranked, tuple(failures.values()), stopped)


def _outcome(
    job: str, entry: Entry | None, metric: str, error: TopoqaTrainError | None, *, now: bool
) -> JobOutcome:
    if entry is None:
        return JobOutcome(job, "not started" if error is None else "failed")
    state = _STATES[entry.run.status]
    if error is not None and not isinstance(error, InterruptedRunError | TerminatedRunError):
        state = "failed"  # even if the status could not be written into its files
    return JobOutcome(
        name=job,
        state="done before" if state == "done" and not now else state,
        run_dir=entry.run.paths.root,
        metric=metric,
        best=entry.value,
        epoch=None if entry.best is None else entry.best.epoch,
        seconds=entry.run.seconds,
    )
