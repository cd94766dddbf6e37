"""What batch and pipeline share once they are planned: check the jobs, then run them in phases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from topoqa_train.clock import Clock, iso
from topoqa_train.config.job_plan import LoadedManifest
from topoqa_train.config.overrides import Override
from topoqa_train.errors import (
    MachineError,
    RequestError,
    TopoqaTrainError,
    TrainingError,
    from_json,
)
from topoqa_train.launch import base as launchers
from topoqa_train.launch.base import Launcher
from topoqa_train.launch.job import Job
from topoqa_train.runs import metadata
from topoqa_train.runs.events import Event, RunCreated, RunEnded
from topoqa_train.runs.ledger import Ledger
from topoqa_train.runs.metadata import MetadataFile
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import run_of
from topoqa_train.views.progress import Plan, Reporter
from topoqa_train.workflows.job_factory import graph_checks, identity
from topoqa_train.workflows.previous_session import PreviousSession

CHECK = "check"


@dataclass(frozen=True, kw_only=True)
class SessionRequest:
    """The options that batch, pipeline and fine-tune share; `jobs` is how many run at once."""

    manifest: Path
    overrides: tuple[Override, ...] = ()
    jobs: int | None = None
    resume: bool = False
    output_root: Path | None = None
    launcher: str = launchers.DEFAULT


@dataclass(frozen=True, kw_only=True)
class SessionPlan:
    """A session whose configs, labels and checkpoints have been checked; nothing has started.

    `to_check` are the jobs whose graphs and networks are checked before the first one starts;
    `notes` are to be reported to the user. `missing_start` is the error of a plan that can be
    shown but not run, because there is no checkpoint to start from.
    """

    request: SessionRequest
    manifest: LoadedManifest
    root: Path
    shown: Plan
    previous: PreviousSession
    to_check: tuple[Job, ...]
    notes: tuple[str, ...] = ()
    missing_start: RequestError | None = None

    def rehearse(self, reporter: Reporter) -> None:
        """Read every graph and build every network, as before the first job; train nothing.

        Raises:
            TopoqaTrainError: the first error found.
        """
        if self.to_check:
            with launchers.make(self.request.launcher, self.shown.at_once) as launcher:
                check_graphs(launcher, reporter, self.to_check)

    def report(self, reporter: Reporter) -> None:
        """Show the plan and its notes."""
        reporter.plan(self.shown)
        for line in self.notes:
            reporter.note(line)

    @contextmanager
    def started(self, reporter: Reporter, clock: Clock, *, takes_over: bool) -> Iterator[JobRunner]:
        """Check the graphs, then start the session and give what runs its jobs.

        One that `takes_over` counts the jobs of the previous session as its own.

        Raises:
            TopoqaTrainError: a check failed, or another process has resumed the previous session.
        """
        self.report(reporter)
        with launchers.make(self.request.launcher, self.shown.at_once) as launcher:
            check_graphs(launcher, reporter, self.to_check)
            # The ledger is created last: a session that fails its checks must not be offered
            # for resuming in place of the one before it.
            with self.previous.new_ledger(self.root, clock, takes_over=takes_over) as ledger:
                previous = self.previous if self.request.resume else None
                yield JobRunner(launcher, reporter, clock, ledger, previous)


def check_graphs(launcher: Launcher, reporter: Reporter, jobs: Sequence[Job]) -> None:
    """Read every graph of every data set once, and build each job's network on it.

    Raises:
        TopoqaTrainError: the first error found.
    """
    checks = graph_checks(jobs)
    reporter.phase(CHECK, [check.name for check in checks])
    for end in launcher.run(checks, reporter.event, keep_going=False):
        if end.error is not None:
            raise from_json(end.error)


@dataclass
class JobRunner:
    """Runs the phases of a session with one launcher and one ledger.

    `previous` is the session to resume. `runs` are all runs that were started, now or before, by
    job; `completed` those that completed; `skipped` the jobs that had completed before.
    """

    launcher: Launcher
    reporter: Reporter
    clock: Clock
    ledger: Ledger
    previous: PreviousSession | None = None
    completed: list[RunPaths] = field(default_factory=list)
    runs: dict[str, RunPaths] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)
    failures: dict[str, TopoqaTrainError] = field(default_factory=dict)

    def run(self, phase: str, jobs: Sequence[Job], *, keep_going: bool) -> list[RunPaths]:
        """Do `jobs`; return the runs that completed, in the order of the jobs.

        Raises:
            TopoqaTrainError: a job failed, unless `keep_going` and another one completed; or the
                process was asked to stop.
        """
        before = set(self.failures)
        runs = self.attempt(phase, jobs, keep_going=keep_going)
        new = [error for job, error in self.failures.items() if job not in before]
        if new and not (keep_going and runs):
            raise new[0]
        return runs

    def attempt(self, phase: str, jobs: Sequence[Job], *, keep_going: bool) -> list[RunPaths]:
        """Do `jobs` as `run` does, but only enter failures in `failures`.

        Raises:
            InterruptedRunError, TerminatedRunError: the process was asked to stop.
        """
        self.reporter.phase(phase, [job.name for job in jobs])
        weights = [path for job in jobs if (path := job.options.weights_from)]
        # Written before the first job starts: it must not archive what a later one starts from.
        self.ledger.require(map(run_of, weights), (job.output_root for job in jobs))
        done: dict[str, RunPaths] = {}
        to_do = [job for job in map(self._resumed, jobs) if not self._skip(job, done)]
        for end in self.launcher.run(to_do, self._listener(to_do), keep_going=keep_going):
            if end.status == "completed" and end.run_dir is not None:
                done[end.job] = RunPaths(Path(end.run_dir))
            else:
                self.failures[end.job] = error_of(end)
        runs = [done[job.name] for job in jobs if job.name in done]
        self.completed += runs
        return runs

    def _resumed(self, job: Job) -> Job:
        """Return `job` as a part of this session, to be resumed if it was started before."""
        # The run's metadata will name the ledger from the first write on. So a run whose creation
        # was never recorded, because this process was killed in between, can be recovered.
        session = {"ledger": self.ledger.path.name, "identity": identity(job)}
        known = self.previous and self.previous.run_of(job.name, session["identity"])
        if known:
            self.runs[job.name] = known.paths
        resume_run = known.paths.root if known else None
        return job.model_copy(update={"session": session, "resume_run": resume_run})

    def _skip(self, job: Job, done: dict[str, RunPaths]) -> bool:
        """Enter a job that has completed before in `done`; return whether it has."""
        known = self.previous and job.resume_run and self.previous.run_of(job.name)
        if not known or known.status != Status.COMPLETED:
            return False
        done[job.name] = known.paths
        self.skipped.add(job.name)
        self.reporter.done_before(job.name, known.paths.run_id)
        return True

    def _listener(self, jobs: Sequence[Job]) -> Callable[[Event], None]:
        by_name = {job.name: job for job in jobs}

        def listen(event: Event) -> None:
            job = by_name.get(event.job)
            # A run that failed before it reported its creation is named in its last event.
            # The ledger is written before the event is passed on: what the user has seen start is
            # known to a session that resumes this one.
            if job and isinstance(event, RunCreated | RunEnded) and event.run_dir:
                self._record(job, RunPaths(Path(event.run_dir)))
            if isinstance(event, RunEnded) and event.status == "failed":
                record_failure(event, self.clock)
            self.reporter.event(event)

        return listen

    def _record(self, job: Job, run: RunPaths) -> None:
        job_identity = (job.session or {})["identity"]
        if self.runs.get(job.name) != run or self.ledger.run_of(job.name, job_identity) is None:
            self.runs[job.name] = run
            self.ledger.add(job.name, job_identity, run.run_id, job.output_root)
            self.ledger.write()


def record_failure(end: RunEnded, clock: Clock) -> None:
    """Write into a run's files why it failed, if its own process could not (it was killed)."""
    if end.run_dir is None or end.error is None:
        return
    paths = RunPaths(Path(end.run_dir))
    try:
        document = metadata.read(paths.metadata)
        # A process that could still write has recorded its own, better error: keep that one.
        if document.status in (Status.RUNNING, Status.CREATED):
            MetadataFile(paths.metadata, document).update(
                status=Status.FAILED, error=end.error, completed=iso(clock.now())
            )
    except (RequestError, MachineError, OSError):
        return  # its disk is what failed; the error itself is still reported


def error_of(end: RunEnded) -> TopoqaTrainError:
    """Return the error of a job that did not complete, with the job's name in front."""
    if end.error is None:
        return TrainingError(f"{end.job} {end.status}")
    error = from_json(end.error)
    error.message = f"{end.job}: {error.message}"
    error.args = (error.message,)
    return error
