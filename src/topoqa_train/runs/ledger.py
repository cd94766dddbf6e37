"""What a batch or pipeline has begun: job by job, on the disk before the job starts."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from topoqa_train import atomic, bounded_read
from topoqa_train.clock import Clock, iso, stamp
from topoqa_train.errors import MachineError
from topoqa_train.runs import status

FOLDER = ".ledgers"
FOREIGN_DAYS = 7
# A hundred thousand jobs.
MAXIMUM_BYTES = 64 * 2**20


@dataclass
class Ledger:
    """Job name to the identity of what was to be done and the run that does it.

    `pick` is what fine-tuning starts from, where it was picked from runs of before: picked again
    after a stop, it could be another. `number` grows from one to the next of a manifest, whatever
    the clock does. `process` is who carries it out, as `status.this_process`
    tells it; `pinned` are runs that it needs beside those it makes: what its jobs start from.
    `roots` are other folders than its own that runs of it may be in.
    """

    path: Path
    kind: str
    manifest: str
    started: str
    number: int = 0
    completed: str | None = None
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    pick: dict[str, Any] | None = None
    process: dict[str, Any] = field(default_factory=dict)
    pinned: list[str] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)

    def note(self, job: str, identity: str, run_id: str, root: Path | None = None) -> None:
        """Write down that `run_id` does `job`; `root` is its folder, where it is another."""
        self.enter(job, identity, run_id, root)
        self.write()

    def enter(self, job: str, identity: str, run_id: str, root: Path | None = None) -> None:
        """`note`, for the next time that it is written."""
        self.jobs[job] = {"identity": identity, "run_id": run_id}
        # Its own folder is not written down: all of it may be moved together.
        if root not in (None, self.root):
            self.jobs[job]["root"] = str(root)

    @property
    def root(self) -> Path:
        """The folder of runs that it is kept under."""
        return self.path.parent.parent

    def root_of(self, job: str) -> Path:
        """The folder that the run of `job` is in."""
        return Path(self.jobs.get(job, {}).get("root", self.root))

    def pin(self, *run_ids: str) -> None:
        """Write down that these runs are needed, and must stay where they are, until the end."""
        new = [run_id for run_id in dict.fromkeys(run_ids) if run_id not in self.pinned]
        if new:
            self.pinned += new
            self.write()

    def expect(self, roots: Iterable[Path]) -> None:
        """Write down that runs are about to be made in these folders."""
        there = {str(self.root), *self.roots}
        new = [str(root) for root in dict.fromkeys(roots) if str(root) not in there]
        if new:
            self.roots += new
            self.write()

    def runs(self) -> set[str]:
        """Every run that it makes or needs."""
        return {*self.pinned, *(entry["run_id"] for entry in self.jobs.values())}

    def finish(self, clock: Clock) -> None:
        """Write down that all is done."""
        self.completed = iso(clock.now())
        self.write()

    def leave(self) -> None:
        """Write down that nobody is at it any more, done or not."""
        self.process = {}
        # On a full disk this process's end says the same.
        with suppress(MachineError):
            self.write()

    def run_of(self, job: str, identity: str | None = None) -> str | None:
        """The run that was begun for this very job (without `identity`: under its name), if any."""
        entry = self.jobs.get(job)
        if entry is None or identity not in (None, entry["identity"]):
            return None
        return entry["run_id"]

    def write(self) -> None:
        """Replace the file atomically; raises `MachineError` where that can't be done."""
        document = {name: value for name, value in vars(self).items() if name != "path"}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_json(self.path, document)
        except OSError as error:
            raise MachineError(
                f"what is done can't be written down: {atomic.as_project_error(error).message}",
                hint="With --resume the same command goes on from here.",
            ) from error


def begin(
    root: Path, kind: str, manifest: Path, clock: Clock, previous: Ledger | None = None
) -> Ledger:
    """A new ledger under the runs' `root`; two of one second get different files.

    With `previous` it goes on with that one, and knows from its first moment all that it knew.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = atomic.new_file(folder, f"{kind}_{manifest.stem}_{stamp(clock.now())}", ".json")
    before = [previous, *every(root, manifest, kind)]
    ledger = Ledger(
        path,
        kind,
        _name(manifest),
        iso(clock.now()),
        number=1 + max((each.number for each in before if each is not None), default=0),
        process=status.this_process(),
    )
    if previous is not None:
        ledger.jobs, ledger.pick = dict(previous.jobs), previous.pick
        ledger.roots = list(previous.roots)
    ledger.write()
    return ledger


def in_progress(root: Path, clock: Clock) -> list[Ledger]:
    """The ledgers of batches and pipelines that are not over.

    One whose process died is over. What another host's process does can't be known: its ledger
    counts as in progress for `FOREIGN_DAYS` after it last wrote it.
    """
    found = [_read(path) for path in sorted((root / FOLDER).glob("*.json"))]
    unfinished = [ledger for ledger in found if ledger is not None and ledger.completed is None]
    return [ledger for ledger in unfinished if _lives(ledger, clock)]


def _lives(ledger: Ledger, clock: Clock) -> bool:
    lives = status.process_lives(ledger.process) if ledger.process.get("host") else False
    if lives is not None:
        return lives
    try:
        age = clock.now().timestamp() - ledger.path.stat().st_mtime
    except OSError:
        return False
    return age < FOREIGN_DAYS * 24 * 3600


def last(root: Path, kind: str, manifest: Path) -> Ledger | None:
    """The newest ledger of this kind and manifest, or None; unreadable ones are passed over."""
    return next(iter(every(root, manifest, kind)), None)


def damaged(root: Path, kind: str, manifest: Path) -> Ledger | None:
    """In place of a ledger of this kind and manifest that can't be read, if that is the newest.

    It knows what the one before it knew, for it may have gone on with that. An empty one says
    nothing of itself: its process may have died before it began.
    """
    found = [
        (_written(path), path)
        for path in (root / FOLDER).glob(f"{kind}_{glob.escape(manifest.stem)}_[0-9]*.json")
        if _read(path) is None
    ]
    before = last(root, kind, manifest)
    moment, path = max(found, default=(0.0, None))
    if path is None or (before is not None and _written(before.path) > moment):
        return None
    known = before or Ledger(path, kind, _name(manifest), "")
    return replace(known, path=path, number=known.number + 1, completed=None, process={})


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def every(root: Path, manifest: Path, kind: str = "*") -> list[Ledger]:
    """All readable ledgers of this manifest, and of this kind, newest first."""
    found = [
        ledger
        for path in (root / FOLDER).glob(f"{kind}_*.json")
        if (ledger := _read(path)) is not None and ledger.manifest == _name(manifest)
    ]
    # Of one second, the longer name has the greater number.
    return sorted(
        found,
        key=lambda each: (each.number, each.started, len(each.path.name), each.path.name),
        reverse=True,
    )


def _name(manifest: Path) -> str:
    """One name of a manifest, from wherever it is asked for."""
    return str(manifest.resolve())


def _read(path: Path) -> Ledger | None:
    try:
        document = json.loads(bounded_read.content(path, MAXIMUM_BYTES))
        return _parsed(path, document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _parsed(path: Path, document: Mapping[str, Any]) -> Ledger:
    """Raises what `_read` catches; no name or folder of it is one that no system has."""
    jobs = {
        str(name): {
            key: _plain(entry[key])
            for key in ("identity", "run_id", "root")
            if key != "root" or key in entry
        }
        for name, entry in document["jobs"].items()
    }
    completed, process = document.get("completed"), document.get("process")
    pinned, roots = document.get("pinned"), document.get("roots")
    number = document.get("number")
    return Ledger(
        path=path,
        kind=str(document["kind"]),
        manifest=str(document["manifest"]),
        started=str(document["started"]),
        completed=None if completed is None else str(completed),
        jobs=jobs,
        process=dict(process) if isinstance(process, Mapping) else {},
        pinned=[_plain(run_id) for run_id in pinned] if isinstance(pinned, list) else [],
        roots=[_plain(folder) for folder in roots] if isinstance(roots, list) else [],
        number=number if isinstance(number, int) else 0,
        pick=dict(document["pick"]) if document.get("pick") is not None else None,
    )


def _plain(value: object) -> str:
    text = str(value)
    if "\0" in text:
        raise ValueError("a null byte in a name")
    return text
