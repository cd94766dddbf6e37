"""A round of jobs through a launcher, with the ledger: what is done is left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from topoqa_train.clock import Clock, iso
from topoqa_train.errors import (
    MachineError,
    RequestError,
    TopoqaTrainError,
    TrainingError,
    from_json,
)
from topoqa_train.launch.base import Launcher
from topoqa_train.launch.job import Job
from topoqa_train.runs import metadata
from topoqa_train.runs.events import Event, RunCreated, RunEnded
from topoqa_train.runs.ledger import Ledger
from topoqa_train.runs.metadata import MetadataFile
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import run_of
from topoqa_train.views.progress import Reporter
from topoqa_train.workflows import job_factory as job_steps
from topoqa_train.workflows.previous_session import Earlier

CHECK = "check"


def check_graphs(launcher: Launcher, reporter: Reporter, jobs: Sequence[Job]) -> None:
    """Have every graph of every data set read once, and each job's network built on it.

    Raises:
        TopoqaTrainError: the first fault found.
    """
    checks = job_steps.graph_checks(jobs)
    reporter.phase(CHECK, [check.name for check in checks])
    for end in launcher.run(checks, reporter.event, keep_going=False):
        if end.error is not None:
            raise from_json(end.error)


@dataclass
class Rounds:
    """Runs rounds of jobs one after another with the same launcher and ledger.

    `previous` is the earlier start that this one goes on with. `runs` are all runs that were begun,
    now or before, by job; `made` those that completed; `left_alone` the jobs that had before.
    """

    launcher: Launcher
    reporter: Reporter
    clock: Clock
    ledger: Ledger
    previous: Earlier | None = None
    made: list[RunPaths] = field(default_factory=list)
    runs: dict[str, RunPaths] = field(default_factory=dict)
    left_alone: set[str] = field(default_factory=set)
    failures: dict[str, TopoqaTrainError] = field(default_factory=dict)

    def run(self, phase: str, jobs: Sequence[Job], *, keep_going: bool) -> list[RunPaths]:
        """Do `jobs`; returns the runs that completed, in the order of the jobs.

        Raises:
            TopoqaTrainError: a job failed, unless `keep_going` and another one completed; or it
                was told to stop.
        """
        before = set(self.failures)
        runs = self.attempt(phase, jobs, keep_going=keep_going)
        fresh = [error for job, error in self.failures.items() if job not in before]
        if fresh and not (keep_going and runs):
            raise fresh[0]
        return runs

    def attempt(self, phase: str, jobs: Sequence[Job], *, keep_going: bool) -> list[RunPaths]:
        """`run`, but failures are only noted, in `failures`.

        Raises:
            InterruptedRunError, TerminatedRunError: it was told to stop.
        """
        self.reporter.phase(phase, [job.name for job in jobs])
        # What a later job starts from is not to be put aside by the first.
        self.ledger.pin(*(run_of(path) for job in jobs if (path := job.options.weights_from)))
        self.ledger.expect(job.output_root for job in jobs)
        identities = {job.name: job_steps.identity(job) for job in jobs}
        completed: dict[str, RunPaths] = {}
        waiting: list[Job] = []
        for job in jobs:
            begun_by = {"ledger": self.ledger.path.name, "identity": identities[job.name]}
            known = job.model_copy(update={"begun_by": begun_by})
            self._settle(known, identities[job.name], completed, waiting)
        ended = self.launcher.run(
            waiting, self._listener(waiting, identities), keep_going=keep_going
        )
        for end in ended:
            if end.status == "completed" and end.run_dir is not None:
                completed[end.job] = RunPaths(Path(end.run_dir))
            else:
                self.failures[end.job] = failure(end)
        runs = [completed[job.name] for job in jobs if job.name in completed]
        self.made += runs
        return runs

    def _settle(
        self, job: Job, identity: str, completed: dict[str, RunPaths], waiting: list[Job]
    ) -> None:
        """Sort a job into what is done and what is to do, resumed where it was begun."""
        begun = None if self.previous is None else self.previous.run_of(job.name, identity)
        if begun is None:
            waiting.append(job)
            return
        self.runs[job.name] = begun.paths
        if begun.status == Status.COMPLETED:
            completed[job.name] = begun.paths
            self.left_alone.add(job.name)
            self.reporter.done_before(job.name, begun.paths.run_id)
        else:
            waiting.append(job.model_copy(update={"resume_run": begun.paths.root}))

    def _note(self, job: str, run_dir: Path, identity: str, root: Path) -> None:
        paths = RunPaths(run_dir)
        if self.runs.get(job) != paths or self.ledger.run_of(job, identity) is None:
            self.runs[job] = paths
            self.ledger.note(job, identity, paths.run_id, root)

    def _listener(self, jobs: Sequence[Job], identities: dict[str, str]) -> Callable[[Event], None]:
        roots = {job.name: job.output_root for job in jobs}

        def listen(event: Event) -> None:
            # One that failed before it could say that it is there names it in its last word.
            if isinstance(event, RunCreated | RunEnded) and event.job in roots and event.run_dir:
                self._note(event.job, Path(event.run_dir), identities[event.job], roots[event.job])
            if isinstance(event, RunEnded) and event.status == "failed":
                keep_reason(event, self.clock)
            self.reporter.event(event)

        return listen


def keep_reason(end: RunEnded, clock: Clock) -> None:
    """Write into a run's files why it failed, where its own process could not (it was killed)."""
    if end.run_dir is None or end.error is None:
        return
    paths = RunPaths(Path(end.run_dir))
    try:
        document = metadata.read(paths.metadata)
        if document.status in (Status.RUNNING, Status.CREATED):
            MetadataFile(paths.metadata, document).update(
                status=Status.FAILED, error=end.error, completed=iso(clock.now())
            )
    except (RequestError, MachineError, OSError):
        return  # its disk is what failed; the error itself is still told


def failure(end: RunEnded) -> TopoqaTrainError:
    """The error of a job that did not complete, with the job's name in front."""
    if end.error is None:
        return TrainingError(f"{end.job} {end.status}")
    error = from_json(end.error)
    error.message = f"{end.job}: {error.message}"
    error.args = (error.message,)
    return error
