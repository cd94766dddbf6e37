"""The ledger of a batch or pipeline: which run does which job, written before the job starts."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, Field

from topoqa_train import atomic, bounded_read
from topoqa_train.clock import Clock, iso, stamp
from topoqa_train.errors import MachineError
from topoqa_train.runs import status

FOLDER = ".ledgers"
FOREIGN_DAYS = 7
# A hundred thousand jobs.
MAXIMUM_BYTES = 64 * 2**20

# A null byte is the one character that no path can hold.
_FileName = Annotated[str, Field(pattern="^[^\0]*$")]


class JobRun(BaseModel):
    """The run of a job, and the identity of the job when the run was created.

    `root` is the run's folder where it is another than the ledger's own. The own one is not
    written, so that the whole folder can be moved.
    """

    identity: str
    run_id: _FileName
    root: _FileName | None = None


class SelectedCheckpoint(BaseModel):
    """The checkpoint that fine-tuning starts from; the new runs are named after `base`.

    `notes` report what was selected, and from which runs.
    """

    base: str
    checkpoint: Path
    run_id: _FileName | None
    epoch: int | None
    notes: tuple[str, ...] = Field(default=(), exclude=True)


class Ledger(BaseModel):
    """One session: a batch, pipeline or fine-tune from its start to its end.

    `number` grows from one ledger of a manifest to the next, whatever the clock does. `selected`
    is the checkpoint that fine-tuning starts from: selected again after a stop, it could be
    another one. `process` is the process that runs the session, as `status.this_process` describes
    it. `required` are the runs that its jobs start from, which must stay where they are.
    `run_folders` are the folders other than its own in which it may create runs.
    """

    path: Path = Field(exclude=True)
    kind: str
    manifest: str
    started: str
    number: int = 0
    completed: str | None = None
    jobs: dict[str, JobRun] = Field(default_factory=dict)
    selected: SelectedCheckpoint | None = Field(
        default=None, validation_alias=AliasChoices("selected", "pick")
    )
    process: dict[str, Any] = Field(default_factory=dict)
    required: list[_FileName] = Field(
        default_factory=list, validation_alias=AliasChoices("required", "pinned")
    )
    run_folders: list[_FileName] = Field(
        default_factory=list, validation_alias=AliasChoices("run_folders", "roots")
    )

    @property
    def root(self) -> Path:
        """The folder of runs that the ledger is in."""
        return self.path.parent.parent

    def root_of(self, job: str) -> Path:
        """Return the folder that the run of `job` is in."""
        entry = self.jobs.get(job)
        return self.root if entry is None or entry.root is None else Path(entry.root)

    def run_of(self, job: str, identity: str | None = None) -> str | None:
        """Return the run of the job of this name (and of this `identity`, if given)."""
        entry = self.jobs.get(job)
        if entry is None or identity not in (None, entry.identity):
            return None
        return entry.run_id

    def runs(self) -> set[str]:
        """Return every run that the session creates or needs."""
        selected = self.selected and self.selected.run_id
        jobs = (entry.run_id for entry in self.jobs.values())
        return {*self.required, *jobs, *([selected] if selected else [])}

    def add(self, job: str, identity: str, run_id: str, root: Path) -> None:
        """Enter that the run `run_id` in the folder `root` does `job`."""
        elsewhere = None if root == self.root else str(root)
        self.jobs[job] = JobRun(identity=identity, run_id=run_id, root=elsewhere)

    def require(self, runs: Iterable[str], folders: Iterable[Path]) -> None:
        """Write down the runs that jobs start from and the folders that new runs go to."""
        self.required = list(dict.fromkeys([*self.required, *runs]))
        others = [str(folder) for folder in folders if folder != self.root]
        self.run_folders = list(dict.fromkeys([*self.run_folders, *others]))
        self.write()

    def finish(self, clock: Clock) -> None:
        """Write down that all jobs are done."""
        self.completed = iso(clock.now())
        self.write()

    def leave(self) -> None:
        """Write down that no process runs the session any more, finished or not."""
        self.process = {}
        # If this write fails, readers still see that the process is dead.
        with suppress(MachineError):
            self.write()

    def write(self) -> None:
        """Replace the file atomically; raises `MachineError` if that fails."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_json(self.path, self.model_dump(mode="json"))
        except OSError as error:
            raise MachineError(
                f"the progress can't be recorded: {atomic.as_project_error(error).message}",
                hint="The same command with --resume continues from here.",
            ) from error


def begin(
    root: Path, kind: str, manifest: Path, clock: Clock, previous: Ledger | None = None
) -> Ledger:
    """Create a ledger under the runs' `root`; two of one second get different files.

    With `previous` it takes over, in its first write, all that the previous one knows.
    """
    # The empty file reserves the name. A kill before the first write leaves it unreadable, and
    # `unreadable` then answers for it with what the previous ledger knows.
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = atomic.new_file(folder, f"{kind}_{manifest.stem}_{stamp(clock.now())}", ".json")
    # The previous ledger may be a substitute for an unreadable one, which `every` does not return.
    before = [*([] if previous is None else [previous]), *every(root, manifest, kind)]
    ledger = Ledger(
        path=path,
        kind=kind,
        manifest=_name(manifest),
        started=iso(clock.now()),
        number=1 + max((each.number for each in before), default=0),
        process=status.this_process(),
    )
    if previous is not None:
        ledger.jobs, ledger.selected = dict(previous.jobs), previous.selected
        ledger.run_folders = list(previous.run_folders)
    ledger.write()
    return ledger


def in_progress(root: Path, clock: Clock) -> list[Ledger]:
    """Return the ledgers of sessions that are running.

    A session whose process died is over. The state of another host's process is unknown: its
    ledger counts as in progress for `FOREIGN_DAYS` after it was last written.
    """
    found = [_read(path) for path in sorted((root / FOLDER).glob("*.json"))]
    return [each for each in found if each and each.completed is None and _is_running(each, clock)]


def _is_running(ledger: Ledger, clock: Clock) -> bool:
    alive = status.process_lives(ledger.process) if ledger.process.get("host") else False
    if alive is not None:
        return alive
    return clock.now().timestamp() - status.modified(ledger.path) < FOREIGN_DAYS * 24 * 3600


def last(root: Path, kind: str, manifest: Path) -> Ledger | None:
    """Return the newest readable ledger of this kind and manifest."""
    return next(iter(every(root, manifest, kind)), None)


def unreadable(root: Path, kind: str, manifest: Path) -> Ledger | None:
    """Return a substitute for the newest ledger of this kind and manifest if it is unreadable.

    It knows what the one before it knew, because it may have taken that over.
    """
    # Its number can't be read either, so the times of the files decide which one is the newest.
    found = [
        (status.modified(path), path)
        for path in (root / FOLDER).glob(f"{kind}_{glob.escape(manifest.stem)}_[0-9]*.json")
        if _read(path) is None
    ]
    before = last(root, kind, manifest)
    moment, path = max(found, default=(0.0, None))
    if path is None or (before is not None and status.modified(before.path) > moment):
        return None
    known = before or Ledger(path=path, kind=kind, manifest=_name(manifest), started="")
    changes = {"path": path, "number": known.number + 1, "completed": None, "process": {}}
    return known.model_copy(update=changes, deep=True)


def every(root: Path, manifest: Path, kind: str = "*") -> list[Ledger]:
    """Return all readable ledgers of this manifest, and of this kind, newest first."""
    read = [_read(path) for path in (root / FOLDER).glob(f"{kind}_*.json")]
    found = [each for each in read if each is not None and each.manifest == _name(manifest)]
    # By number first, because a clock that was set back would make an older session the newest.
    # Ledgers of earlier versions have no number; of one second, the longer name is the later one.
    return sorted(
        found,
        key=lambda each: (each.number, each.started, len(each.path.name), each.path.name),
        reverse=True,
    )


def _name(manifest: Path) -> str:
    """Return the same name for a manifest from every working directory."""
    return str(manifest.resolve())


def _read(path: Path) -> Ledger | None:
    try:
        document = json.loads(bounded_read.content(path, MAXIMUM_BYTES))
        return Ledger.model_validate({**document, "path": path})
    except (OSError, ValueError, TypeError, RecursionError):
        return None
