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
from topoqa_train.runs import metadata, summary
from topoqa_train.runs.events import Event, RunCreated, RunEnded
from topoqa_train.runs.ledger import Ledger
from topoqa_train.runs.metadata import MetadataFile
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.reporting import Reporter
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore
from topoqa_train.workflows import jobs as job_steps

CHECK = "check"


@dataclass
class Rounds:
    """Runs rounds of jobs one after another with the same launcher and ledger.

    `previous` is the ledger of an earlier start that this one goes on with.
    """

    launcher: Launcher
    reporter: Reporter
    clock: Clock
    ledger: Ledger
    previous: Ledger | None = None
    made: list[RunPaths] = field(default_factory=list)
    failures: list[TopoqaTrainError] = field(default_factory=list)

    def check_graphs(self, jobs: Sequence[Job]) -> None:
        """Have every graph of every data set read once; raises the first fault found."""
        checks = job_steps.graph_checks(jobs)
        self.reporter.phase(CHECK, [check.name for check in checks])
        ended = self.launcher.run(checks, self.reporter.event, keep_going=False)
        for end in ended:
            if end.error is not None:
                raise from_json(end.error)

    def run(self, phase: str, jobs: Sequence[Job], *, keep_going: bool) -> list[RunPaths]:
        """Do `jobs`; returns the runs that completed, in the order of the jobs.

        Raises:
            TopoqaTrainError: a job failed, unless `keep_going` and another one completed.
        """
        self.reporter.phase(phase, [job.name for job in jobs])
        identities = {job.name: job_steps.identity(job) for job in jobs}
        completed: dict[str, RunPaths] = {}
        waiting: list[Job] = []
        for job in jobs:
            self._settle(job, identities[job.name], completed, waiting)
        ended = self.launcher.run(
            waiting, self._listener(waiting, identities), keep_going=keep_going
        )
        failures = [end for end in ended if end.status != "completed"]
        for end in ended:
            if end.status == "completed" and end.run_dir is not None:
                completed[end.job] = RunPaths(Path(end.run_dir))
        runs = [completed[job.name] for job in jobs if job.name in completed]
        self.made += runs
        if failures and not (keep_going and runs):
            raise failure(failures[0])
        self.failures += [failure(end) for end in failures]
        return runs

    def _settle(
        self, job: Job, identity: str, completed: dict[str, RunPaths], waiting: list[Job]
    ) -> None:
        """Sort a job into what is done and what is to do, resumed where it was begun."""
        begun = self._begun(job, identity)
        if begun is None:
            waiting.append(job)
            return
        self.ledger.note(job.name, identity, begun.run_id)
        if summary.read(begun, self.clock).status == Status.COMPLETED:
            completed[job.name] = begun
            self.reporter.done_before(job.name, begun.run_id)
        else:
            waiting.append(job.model_copy(update={"resume_run": begun.root}))

    def _begun(self, job: Job, identity: str) -> RunPaths | None:
        if self.previous is None:
            return None
        run_id = self.previous.run_of(job.name, identity)
        if run_id is None:
            return None
        try:
            return RunStore(job.output_root).find(run_id)
        except RequestError:
            return None  # it was deleted meanwhile: begin anew

    def _listener(self, jobs: Sequence[Job], identities: dict[str, str]) -> Callable[[Event], None]:
        roots = {job.name: job.output_root for job in jobs}

        def listen(event: Event) -> None:
            if isinstance(event, RunCreated) and event.job in roots:
                self.ledger.note(event.job, identities[event.job], Path(event.run_dir).name)
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
