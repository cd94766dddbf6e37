"""What the last start of a batch or pipeline came to, and what a new one has to know of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import ledger, summary
from topoqa_train.runs.ledger import Ledger
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore
from topoqa_train.runs.summary import Glance

ALIVE = (Status.CREATED, Status.RUNNING)
_WORDS = {Status.COMPLETED: "done", Status.CREATED: "running"}


@dataclass(frozen=True)
class Earlier:
    """The last start of one kind with one manifest under one root; none where `ledger` is None.

    `runs` holds, by job, the runs of it that are still there.
    """

    kind: str
    manifest: Path
    ledger: Ledger | None = None
    runs: Mapping[str, Glance] = field(default_factory=dict)
    lives: bool = False

    def run_of(self, job: str, identity: str | None = None) -> Glance | None:
        """The run that was begun for this very job (without `identity`: under its name)."""
        known = self.ledger is not None and self.ledger.run_of(job, identity) is not None
        return self.runs.get(job) if known else None

    @contextmanager
    def begun(self, root: Path, clock: Clock, *, goes_on: bool) -> Iterator[Ledger]:
        """The ledger of a new start; if it `goes_on`, it knows from the first what this one did."""
        before = self.ledger if goes_on else None
        new = ledger.begin(root, self.kind, self.manifest, clock, before)
        try:
            yield new
        finally:
            new.leave()

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
    """Read the last ledger and its runs.

    What can't be read counts as not there: it is then begun anew.
    """
    last = ledger.last(root, kind, manifest)
    if last is None:
        return Earlier(kind, manifest)
    runs = {}
    for job, entry in last.jobs.items():
        found = find(last.root_of(job), entry["run_id"], clock)
        if found is not None:
            runs[job] = found
    lives = any(each.path == last.path for each in ledger.in_progress(root, clock))
    return Earlier(kind, manifest, last, runs, lives)


def find(root: Path, run_id: str, clock: Clock) -> Glance | None:
    """A run by its name, or None where it is gone or can't be read."""
    try:
        return summary.glance(RunStore(root).find(run_id), clock)
    except RequestError:
        return None
