"""Every job of a manifest, checked before the first starts; told one by one at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.config.job_plan import LoadedManifest
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.overrides import Override
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import (
    InterruptedRunError,
    RequestError,
    TerminatedRunError,
    TopoqaTrainError,
)
from topoqa_train.launch import base as launchers
from topoqa_train.launch.job import Job
from topoqa_train.runs import history, leaderboard, ledger, summary
from topoqa_train.runs.leaderboard import Entry, Leaderboard
from topoqa_train.runs.ledger import Ledger
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import Glance
from topoqa_train.views.progress import JobOutcome, JobState, Plan, Reporter
from topoqa_train.workflows import previous_session
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import (
    check_jobs,
    check_places,
    identity,
    jobs_at_once,
    make_job,
    root_of_jobs,
    shown_plan,
)
from topoqa_train.workflows.job_runner import Rounds, check_graphs
from topoqa_train.workflows.previous_session import ALIVE, Earlier

BATCH = "batch"
_STATES: Mapping[Status, JobState] = {
    Status.COMPLETED: "done",
    Status.FAILED: "failed",
    Status.INTERRUPTED: "interrupted",
    Status.CREATED: "running",
    Status.RUNNING: "running",
}


class Only(StrEnum):
    """Which jobs of a manifest to begin anew."""

    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True)
class BatchRequest:
    """What was asked for. `keep_going` None leaves it to the manifest's `continue_on_error`."""

    manifest: Path
    overrides: tuple[Override, ...] = ()
    jobs: int | None = None
    keep_going: bool | None = None
    only: Only | None = None
    resume: bool = False
    options: RunOptions = field(default_factory=RunOptions)
    output_root: Path | None = None
    launcher: str = launchers.DEFAULT


@dataclass(frozen=True)
class BatchPlan:
    """Everything checked, nothing begun.

    `jobs` are all of the manifest, `chosen` those that this start is about, none where there is
    nothing to do. `before` are the runs of jobs that an earlier start began, where this one goes on
    with it; `notes` are lines that people should read.
    """

    request: BatchRequest
    manifest: LoadedManifest
    jobs: tuple[Job, ...]
    chosen: tuple[Job, ...]
    root: Path
    shown: Plan
    earlier: Earlier
    before: Mapping[str, Glance]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchResult:
    """What has come of every job of the manifest, in its order, and their board.

    `failures` are the errors of jobs of this start; `stopped` is set where it was told to stop.
    """

    outcomes: tuple[JobOutcome, ...]
    board: Leaderboard
    failures: tuple[TopoqaTrainError, ...] = ()
    stopped: TopoqaTrainError | None = None


def plan_batch(request: BatchRequest, resolver: DataResolver, clock: Clock) -> BatchPlan:
    """Load and check it all: manifest, configs, labels, coverage, checkpoints, where runs go.

    Raises:
        RequestError: with every fault that was found.
    """
    history.keep_runs()
    if request.resume and request.only is not None:
        raise RequestError(
            f"--resume goes on with what was begun, --only {request.only} begins jobs anew",
            hint="Leave one of them out.",
        )
    manifest = load_manifest(request.manifest, request.overrides)
    root = root_of_jobs(manifest, request.output_root)
    plans = [replace(plan, options=request.options.over(plan.options)) for plan in manifest.jobs]
    jobs = [make_job(plan, resolver, output_root=request.output_root) for plan in plans]
    earlier = previous_session.look(root, BATCH, manifest.source, clock)
    before = _before(request, jobs, root, earlier, clock)
    chosen = _chosen(request, jobs, before)
    data = check_jobs(chosen, resolver)
    check_places([job for job in chosen if not (request.resume and job.name in before)])
    names = {job.name for job in chosen}
    pairs = [(plan, job) for plan, job in zip(plans, jobs, strict=True) if job.name in names]
    keep_going = manifest.continue_on_error if request.keep_going is None else request.keep_going
    return BatchPlan(
        request=request,
        manifest=manifest,
        jobs=tuple(jobs),
        chosen=tuple(chosen),
        root=root,
        shown=shown_plan(
            manifest.name,
            [(BATCH, pairs)] if pairs else [],
            data,
            at_once=jobs_at_once(request.jobs, chosen),
            keep_going=keep_going,
        ),
        earlier=earlier,
        before=before,
        notes=tuple(_notes(request, earlier, jobs, chosen)),
    )


def rehearse_batch(plan: BatchPlan, reporter: Reporter) -> None:
    """Read every graph and build every network, as before the first job; train nothing.

    Raises:
        TopoqaTrainError: the first fault found.
    """
    if plan.chosen:
        with launchers.make(plan.request.launcher, plan.shown.at_once) as launcher:
            check_graphs(launcher, reporter, _to_do(plan))


def run_batch(plan: BatchPlan, reporter: Reporter, clock: Clock) -> BatchResult:
    """Carry out a plan. Jobs that fail, and being told to stop, are in the result.

    Raises:
        TopoqaTrainError: the check before the first job found a fault, or was stopped.
    """
    for line in plan.notes:
        reporter.note(line)
    request, last = plan.request, plan.earlier.ledger
    if not plan.chosen:
        if request.resume and last is not None and last.completed is None:
            last.finish(clock)  # it was stopped after its last job
        return _result(plan, None, clock)
    reporter.plan(plan.shown)
    with launchers.make(request.launcher, plan.shown.at_once) as launcher:
        check_graphs(launcher, reporter, _to_do(plan))
        # Not before all is checked: a start that came to nothing is nothing to go on with.
        goes_on = request.resume or request.only is not None
        with plan.earlier.begun(plan.root, clock, goes_on=goes_on) as book:
            previous = plan.earlier if request.resume else None
            rounds = Rounds(launcher, reporter, clock, book, previous)
            _take_over(plan, book)
            stopped = _attempt(plan, rounds)
    return _result(plan, rounds, clock, stopped)


def _attempt(plan: BatchPlan, rounds: Rounds) -> TopoqaTrainError | None:
    """Do the jobs; returns the error where it was told to stop."""
    try:
        rounds.attempt(BATCH, plan.chosen, keep_going=plan.shown.keep_going)
    except (InterruptedRunError, TerminatedRunError) as error:
        return error
    if all(job.name in {*rounds.runs, *rounds.failures} for job in plan.chosen):
        rounds.ledger.finish(rounds.clock)
    return None


def _to_do(plan: BatchPlan) -> list[Job]:
    """Of what is chosen, that which is not done."""
    if not plan.request.resume:
        return list(plan.chosen)
    return [job for job in plan.chosen if not _is_done(job, plan.before)]


def _take_over(plan: BatchPlan, book: Ledger) -> None:
    """What other starts did of this batch's jobs is the batch's from now on."""
    for job in plan.jobs:
        if job.name in plan.before and book.run_of(job.name) is None:
            book.note(job.name, identity(job), plan.before[job.name].paths.run_id, job.output_root)


def _before(
    request: BatchRequest, jobs: Sequence[Job], root: Path, earlier: Earlier, clock: Clock
) -> dict[str, Glance]:
    """The runs of earlier starts that this one goes on with or around, by job."""
    found: dict[str, Glance | None] = {}
    if request.only == Only.MISSING:
        # Whichever batch or pipeline began them.
        ledgers = ledger.every(root, earlier.manifest)
        found = {job.name: _ever_begun(job, ledgers, clock) for job in jobs}
    elif request.only == Only.FAILED:
        if earlier.ledger is None:
            raise RequestError(
                f"there is no batch of {earlier.manifest.name} whose failed jobs could be done",
                hint="Start one without --only.",
            )
        # By name: what was wrong with its config may have been mended.
        found = {job.name: earlier.run_of(job.name) for job in jobs}
    elif request.resume:
        earlier.check_over()
        found = {job.name: earlier.run_of(job.name, identity(job)) for job in jobs}
    return {name: run for name, run in found.items() if run is not None}


def _ever_begun(job: Job, ledgers: Sequence[Ledger], clock: Clock) -> Glance | None:
    wanted = identity(job)
    names = dict.fromkeys(each.run_of(job.name, wanted) for each in ledgers)
    runs = (
        previous_session.find(job.output_root, name, clock) for name in names if name is not None
    )
    return next((run for run in runs if run is not None), None)


def _chosen(request: BatchRequest, jobs: Sequence[Job], before: Mapping[str, Glance]) -> list[Job]:
    if request.only == Only.MISSING:
        return [job for job in jobs if job.name not in before]
    if request.only == Only.FAILED:
        begun = [job for job in jobs if job.name in before]
        over = (Status.COMPLETED, *ALIVE)
        return [job for job in begun if before[job.name].status not in over]
    if request.resume and all(_is_done(job, before) for job in jobs):
        return []
    return list(jobs)


def _is_done(job: Job, before: Mapping[str, Glance]) -> bool:
    return job.name in before and before[job.name].status == Status.COMPLETED


def _notes(
    request: BatchRequest, earlier: Earlier, jobs: Sequence[Job], chosen: Sequence[Job]
) -> Iterator[str]:
    """What people should read before it begins."""
    manifest = earlier.manifest.name
    if request.resume or request.only is not None:
        yield from earlier.faults
    if request.only == Only.FAILED:
        if not chosen:
            yield f"Nothing to do: no job of the last batch of {manifest} failed."
        never = [job.name for job in jobs if earlier.run_of(job.name) is None]
        if never:
            yield f"Never begun, and left out: {', '.join(never)}. --only missing begins them."
    elif not chosen and request.only == Only.MISSING:
        yield f"Nothing to do: every job of {manifest} has a run."
    elif not chosen:
        yield f"Nothing to do: every job of {manifest} is done."
    elif request.resume and earlier.ledger is None:
        yield f"There is no batch of {manifest} to go on with: this begins one."
    elif request.resume:
        changed = earlier.changed({job.name: identity(job) for job in jobs})
        if changed is not None:
            yield changed
    elif request.only is None:
        offer = earlier.offer()
        if offer is not None:
            yield offer


def _result(
    plan: BatchPlan, rounds: Rounds | None, clock: Clock, stopped: TopoqaTrainError | None = None
) -> BatchResult:
    """Read back what there is of every job, done now, before or by nobody."""
    begun = {} if rounds is None else rounds.runs
    failures = {} if rounds is None else rounds.failures
    known = {**{name: run.paths for name, run in plan.before.items()}, **begun}
    good, unreadable = summary.read_all(
        [known[job.name] for job in plan.jobs if job.name in known], clock
    )
    ranked = leaderboard.rank(good, notes=unreadable)
    entries = {entry.run.paths: entry for entry in ranked.entries}
    now = set(begun) - (set() if rounds is None else rounds.left_alone)
    outcomes = [
        _outcome(
            job.name,
            entries.get(known[job.name]) if job.name in known else None,
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
        return JobOutcome(job, "not begun" if error is None else "failed")
    state = _STATES[entry.run.status]
    if error is not None and not isinstance(error, InterruptedRunError | TerminatedRunError):
        state = "failed"  # also where its files could not take the word
    return JobOutcome(
        name=job,
        state="done before" if state == "done" and not now else state,
        run_dir=entry.run.paths.root,
        metric=metric,
        best=entry.value,
        epoch=None if entry.best is None else entry.best.epoch,
        seconds=entry.run.seconds,
    )
