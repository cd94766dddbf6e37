"""What a batch or pipeline has begun: job by job, on the disk before the job starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topoqa_train import atomic
from topoqa_train.clock import Clock, iso, stamp

FOLDER = ".ledgers"


@dataclass
class Ledger:
    """Job name to the identity of what was to be done and the run that does it.

    `pick` is what fine-tuning starts from, where it was picked from runs of before: picked again
    after a stop, it could be another.
    """

    path: Path
    kind: str
    manifest: str
    started: str
    completed: str | None = None
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    pick: dict[str, Any] | None = None

    def note(self, job: str, identity: str, run_id: str) -> None:
        """Write down that `run_id` does `job`."""
        self.jobs[job] = {"identity": identity, "run_id": run_id}
        self.write()

    def finish(self, clock: Clock) -> None:
        """Write down that all is done."""
        self.completed = iso(clock.now())
        self.write()

    def run_of(self, job: str, identity: str | None = None) -> str | None:
        """The run that was begun for this very job (without `identity`: under its name), if any."""
        entry = self.jobs.get(job)
        if entry is None or identity not in (None, entry["identity"]):
            return None
        return entry["run_id"]

    def write(self) -> None:
        """Replace the file atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        document = {name: value for name, value in vars(self).items() if name != "path"}
        atomic.write_json(self.path, document)


def begin(
    root: Path, kind: str, manifest: Path, clock: Clock, previous: Ledger | None = None
) -> Ledger:
    """A new ledger under the runs' `root`; two of one second get different files.

    With `previous` it goes on with that one, and knows from its first moment all that it knew.
    """
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = atomic.new_file(folder, f"{kind}_{manifest.stem}_{stamp(clock.now())}", ".json")
    ledger = Ledger(path, kind, _name(manifest), iso(clock.now()))
    if previous is not None:
        ledger.jobs, ledger.pick = dict(previous.jobs), previous.pick
    ledger.write()
    return ledger


def last(root: Path, kind: str, manifest: Path) -> Ledger | None:
    """The newest ledger of this kind and manifest, or None; unreadable ones are passed over."""
    return next(iter(every(root, manifest, kind)), None)


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
        key=lambda ledger: (ledger.started, len(ledger.path.name), ledger.path.name),
        reverse=True,
    )


def _name(manifest: Path) -> str:
    """One name of a manifest, from wherever it is asked for."""
    return str(manifest.resolve())


def _read(path: Path) -> Ledger | None:
    try:
        document = json.loads(path.read_bytes())
        return _parsed(path, document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _parsed(path: Path, document: Mapping[str, Any]) -> Ledger:
    jobs = {
        str(name): {"identity": str(entry["identity"]), "run_id": str(entry["run_id"])}
        for name, entry in document["jobs"].items()
    }
    completed = document.get("completed")
    return Ledger(
        path=path,
        kind=str(document["kind"]),
        manifest=str(document["manifest"]),
        started=str(document["started"]),
        completed=None if completed is None else str(completed),
        jobs=jobs,
        pick=dict(document["pick"]) if document.get("pick") is not None else None,
    )
