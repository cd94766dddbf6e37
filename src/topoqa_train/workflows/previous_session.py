"""The previous session of a batch, pipeline or fine-tune, and what `--resume` takes from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import ledger, lock, summary
from topoqa_train.runs.ledger import Ledger, SelectedCheckpoint
from topoqa_train.runs.paths import HISTORY
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore
from topoqa_train.runs.summary import Glance
from topoqa_train.workflows import checkpoint_selection

ALIVE = (Status.CREATED, Status.RUNNING)
_WORDS = {Status.COMPLETED: "done", Status.CREATED: "running"}
_WAIT = "Wait until it is done, or stop it first; topoqa-train monitor shows its progress."


@dataclass(frozen=True)
class PreviousSession:
    """The last session of one kind with one manifest; `ledger` is None where there was none.

    `runs` holds the runs of its jobs that still exist. `warnings` are about files that can't be
    read, `notes` are what to report before the new session starts.
    """

    kind: str
    manifest: Path
    ledger: Ledger | None = None
    runs: Mapping[str, Glance] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    selected: SelectedCheckpoint | None = None

    def run_of(self, job: str, identity: str | None = None) -> Glance | None:
        """Return the run of the job of this name (and of this `identity`, if given)."""
        known = self.ledger is not None and self.ledger.run_of(job, identity) is not None
        return self.runs.get(job) if known else None

    @contextmanager
    def new_ledger(self, root: Path, clock: Clock, *, takes_over: bool) -> Iterator[Ledger]:
        """Create the ledger of the next session; one that `takes_over` starts as a copy of this.

        Raises:
            RequestError: another process has resumed this session.
        """
        previous = self.ledger if takes_over else None
        with nullcontext() if previous is None else self._locked(root, previous):
            new = ledger.begin(root, self.kind, self.manifest, clock, previous)
            try:
                yield new
            finally:
                new.leave()

    @contextmanager
    def _locked(self, root: Path, previous: Ledger) -> Iterator[None]:
        """Let one process at a time resume `previous`, so that no job is done by two."""
        last = f"the last {self.kind} of {self.manifest.name}"
        busy = RequestError(f"another process is resuming {last}", hint=_WAIT)
        with lock.at_once(previous.path.with_suffix(".lock"), busy):
            # Between the plan and this lock another process may have resumed and ended.
            now = ledger.last(root, self.kind, self.manifest)
            if now is not None and now.number > previous.number:
                raise RequestError(
                    f"another process has already resumed {last}",
                    hint="Run the same command again to continue from there.",
                )
            yield


def find(
    root: Path,
    kind: str,
    manifest: Path,
    clock: Clock,
    *,
    identities: Mapping[str, str],
    resume: bool,
) -> PreviousSession:
    """Return the last session with this manifest, for a session that is to `resume` it or not.

    `identities` are those of the jobs that are known now, by name. Runs that the session started
    but never recorded in its ledger are recovered from their metadata, and so is a ledger that
    can't be read.

    Raises:
        RequestError: it is to be resumed, and is still running.
    """
    last, warnings = _last_ledger(root, kind, manifest, clock)
    if last is None:
        missing = [f"There is no {kind} of {manifest.name} to resume: this starts one."]
        notes = [*warnings, *(missing if resume else [])]
        return PreviousSession(kind, manifest, warnings=tuple(warnings), notes=tuple(notes))
    runs, unreadable = _runs(last, clock)
    warnings += unreadable
    is_running = any(each.path == last.path for each in ledger.in_progress(root, clock))
    name = f"last {kind} of {manifest.name}"
    if resume:
        # A run can outlive the process of its session for a while, so its own process counts too.
        _check_is_over(f"the {name}", runs, is_running=is_running)
        notes = [*warnings, *_changed_jobs(last, runs, identities)]
    else:
        notes = _unfinished(last, name, runs, is_running=is_running)
    selected = checkpoint_selection.of_session(last.selected) if resume and last.selected else None
    return PreviousSession(kind, manifest, last, runs, tuple(warnings), tuple(notes), selected)


def _check_is_over(name: str, runs: Mapping[str, Glance], *, is_running: bool) -> None:
    running = [job for job, run in runs.items() if run.status in ALIVE]
    if running or is_running:
        details = [f"running: {', '.join(running)}"] if running else []
        raise RequestError(f"{name} is still running", details=details, hint=_WAIT)


def _changed_jobs(
    last: Ledger, runs: Mapping[str, Glance], identities: Mapping[str, str]
) -> list[str]:
    names = [
        job
        for job, identity in identities.items()
        if job in runs and last.run_of(job, identity) is None
    ]
    if not names:
        return []
    return [
        f"Restarted, because config, overrides or data differ from the last {last.kind}: "
        f"{', '.join(names)}"
    ]


def _unfinished(
    last: Ledger, name: str, runs: Mapping[str, Glance], *, is_running: bool
) -> list[str]:
    if last.completed is not None:
        return []
    if is_running:
        return [f"The {name} is still running; this is a second one."]
    states = Counter(_WORDS.get(run.status, str(run.status)) for run in runs.values())
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    return [
        f"The {name} did not finish{f' ({counts})' if counts else ''}: --resume continues it; "
        "this starts over."
    ]


def _last_ledger(
    root: Path, kind: str, manifest: Path, clock: Clock
) -> tuple[Ledger | None, list[str]]:
    lost = ledger.unreadable(root, kind, manifest)
    # An unreadable ledger that no run names is of a session that did not start any.
    if lost is not None and _recover_runs(lost, clock):
        return lost, [f"{lost.path} is unreadable; rebuilt it from run metadata."]
    last = ledger.last(root, kind, manifest)
    # A finished session recorded all of its runs. Those of a session that is not may be missing:
    # the run is created first, and its process may be killed before the ledger is written.
    if last is not None and last.completed is None:
        _recover_runs(last, clock)
    # An empty file is what a process leaves that died before its first write.
    if lost is not None and lost.path.stat().st_size > 0:
        return last, [f"{lost.path} is unreadable, and no run names it; it is ignored."]
    return last, []


def _recover_runs(session: Ledger, clock: Clock) -> bool:
    """Enter runs that started but were never recorded; return whether there were any.

    Their metadata name the ledger. Of several runs of a job the one that came furthest counts.
    """
    found: dict[str, list[Glance]] = {}
    for root in dict.fromkeys([session.root, *map(Path, session.run_folders)]):
        for paths in RunStore(root).all():
            try:
                glance = summary.glance(paths, clock)
            except RequestError:
                continue  # the leaderboard reports it
            job = glance.metadata.job
            if job is not None and job not in session.jobs and _belongs(glance, session):
                found.setdefault(job, []).append(glance)
    for job, glances in found.items():
        run = max(glances, key=_how_far)
        identity = str((run.metadata.session or {}).get("identity"))
        folder = run.paths.root.parent
        session.add(
            job, identity, run.paths.run_id, folder.parent if folder.name == HISTORY else folder
        )
    return bool(found)


def _belongs(glance: Glance, session: Ledger) -> bool:
    return (glance.metadata.session or {}).get("ledger") == session.path.name


def _how_far(glance: Glance) -> tuple[bool, int, str]:
    done = glance.metadata.progress.get("epochs_done")
    epochs = done if isinstance(done, int) else 0
    return glance.status == Status.COMPLETED, epochs, glance.metadata.created


def _runs(session: Ledger, clock: Clock) -> tuple[dict[str, Glance], list[str]]:
    """Return the runs of a session that still exist, and a line for each unreadable one."""
    runs, unreadable = {}, []
    for job, entry in session.jobs.items():
        try:
            paths = RunStore(session.root_of(job)).find(entry.run_id)
        except RequestError:
            continue  # it was deleted
        try:
            runs[job] = summary.glance(paths, clock)
        except RequestError as error:
            unreadable.append(f"{error.message}; {job} is restarted.")
    return runs, unreadable
