"""What the last start of a batch or pipeline came to, and what a new one has to know of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import ledger, lock, summary
from topoqa_train.runs.ledger import Ledger
from topoqa_train.runs.paths import HISTORY
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore
from topoqa_train.runs.summary import Glance

ALIVE = (Status.CREATED, Status.RUNNING)
_WORDS = {Status.COMPLETED: "done", Status.CREATED: "running"}


@dataclass(frozen=True)
class Earlier:
    """The last start of one kind with one manifest under one root; none where `ledger` is None.

    `runs` holds, by job, the runs of it that are still there; `faults` are lines on what of it
    can't be read.
    """

    kind: str
    manifest: Path
    ledger: Ledger | None = None
    runs: Mapping[str, Glance] = field(default_factory=dict)
    lives: bool = False
    faults: tuple[str, ...] = ()

    def run_of(self, job: str, identity: str | None = None) -> Glance | None:
        """The run that was begun for this very job (without `identity`: under its name)."""
        known = self.ledger is not None and self.ledger.run_of(job, identity) is not None
        return self.runs.get(job) if known else None

    @contextmanager
    def begun(self, root: Path, clock: Clock, *, goes_on: bool) -> Iterator[Ledger]:
        """The ledger of a new start; if it `goes_on`, it knows from the first what this one did.

        Raises:
            RequestError: another process is going on with it, or has since this was read.
        """
        before = self.ledger if goes_on else None
        with nullcontext() if before is None else self._alone(root, before):
            new = ledger.begin(root, self.kind, self.manifest, clock, before)
            try:
                yield new
            finally:
                new.leave()

    @contextmanager
    def _alone(self, root: Path, before: Ledger) -> Iterator[None]:
        """Be the only one that goes on with `before`: a job of it must not be done by two."""
        busy = RequestError(
            f"another process is going on with the last {self.kind} of {self.manifest.name}",
            hint="Wait until it is done, or stop it first; topoqa-train monitor shows how far "
            "it is.",
        )
        with lock.at_once(before.path.with_suffix(".lock"), busy):
            now = ledger.last(root, self.kind, self.manifest)
            if now is not None and now.number > before.number:
                raise RequestError(
                    f"the last {self.kind} of {self.manifest.name} was gone on with meanwhile",
                    hint="The same command again goes on from there.",
                )
            yield

    def check_over(self) -> None:
        """Raise `RequestError` if it is still at work: what it writes can't be gone on with."""
        running = [job for job, run in self.runs.items() if run.status in ALIVE]
        if self.ledger is None or not (running or self.lives):
            return
        raise RequestError(
            f"the last {self.kind} of {self.manifest.name} is still at work",
            details=[f"running: {', '.join(running)}"] if running else [],
            hint="Wait until it is done, or stop it first; topoqa-train monitor shows how far "
            "it is.",
        )

    def changed(self, identities: Mapping[str, str]) -> str | None:
        """A line that names the jobs that are not what they were, and so are begun anew."""
        names = [
            job
            for job, identity in identities.items()
            if self.run_of(job) is not None and self.run_of(job, identity) is None
        ]
        if not names:
            return None
        return (
            f"Begun anew, for config, overrides or data are not those of the last {self.kind}: "
            f"{', '.join(names)}"
        )

    def offer(self) -> str | None:
        """A line for who begins anew while the last one did not finish; else None."""
        if self.ledger is None or self.ledger.completed is not None:
            return None
        if self.lives:
            return f"Another {self.kind} of {self.manifest.name} is at work here; this is a second."
        states = Counter(_WORDS.get(run.status, str(run.status)) for run in self.runs.values())
        came = ", ".join(f"{count} {state}" for state, count in states.items())
        return (
            f"The last {self.kind} of {self.manifest.name} did not finish"
            f"{f' ({came})' if came else ''}: --resume goes on with it; this begins anew."
        )


def look(root: Path, kind: str, manifest: Path, clock: Clock) -> Earlier:
    """Read the last ledger and its runs, those too that it could not take up any more.

    What can't be read counts as not there, and is told: it is then begun anew.
    """
    faults = []
    last = _made_anew(root, kind, manifest, clock)
    if last is not None:
        faults.append(f"{last.path} can't be read: it is made anew from what its runs say.")
    else:
        last = ledger.last(root, kind, manifest)
    if last is None:
        return Earlier(kind, manifest)
    if last.completed is None:
        _take_up(last, clock)
    runs = {}
    for job, entry in last.jobs.items():
        try:
            place = RunStore(last.root_of(job)).find(entry["run_id"])
        except RequestError:
            continue  # it was deleted
        try:
            runs[job] = summary.glance(place, clock)
        except RequestError as error:
            faults.append(f"{error.message}; {job} is begun anew.")
    lives = any(each.path == last.path for each in ledger.in_progress(root, clock))
    return Earlier(kind, manifest, last, runs, lives, tuple(faults))


def _made_anew(root: Path, kind: str, manifest: Path, clock: Clock) -> Ledger | None:
    """The newest ledger where it can't be read; an empty one only if a run was begun under it."""
    lost = ledger.damaged(root, kind, manifest)
    if lost is not None and not lost.path.stat().st_size:
        known = set(lost.jobs)
        _take_up(lost, clock)
        return lost if set(lost.jobs) != known else None
    return lost


def _take_up(last: Ledger, clock: Clock) -> None:
    """Enter runs that were made for `last` a moment before it, or all of it, was gone.

    They name it themselves. Of several of one job the one that came furthest counts.
    """
    found: dict[str, list[Glance]] = {}
    for root in dict.fromkeys([last.root, *map(Path, last.roots)]):
        for paths in RunStore(root).all():
            try:
                glance = summary.glance(paths, clock)
            except RequestError:
                continue  # the board tells of it
            job = glance.metadata.job
            if job is not None and job not in last.jobs and _belongs(glance, last):
                found.setdefault(job, []).append(glance)
    for job, glances in found.items():
        run = max(glances, key=_how_far)
        identity = str((run.metadata.begun_by or {}).get("identity"))
        folder = run.paths.root.parent
        root = folder.parent if folder.name == HISTORY else folder
        last.enter(job, identity, run.paths.run_id, root)


def _belongs(glance: Glance, book: Ledger) -> bool:
    return (glance.metadata.begun_by or {}).get("ledger") == book.path.name


def _how_far(glance: Glance) -> tuple[bool, int, str]:
    done = glance.metadata.progress.get("epochs_done")
    epochs = done if isinstance(done, int) else 0
    return glance.status == Status.COMPLETED, epochs, glance.metadata.created


def find(root: Path, run_id: str, clock: Clock) -> Glance | None:
    """A run by its name, or None where it is gone or can't be read."""
    try:
        return summary.glance(RunStore(root).find(run_id), clock)
    except RequestError:
        return None
