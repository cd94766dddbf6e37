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
    """Job name to the identity of what was to be done and the run that does it."""

    path: Path
    kind: str
    manifest: str
    started: str
    completed: str | None = None
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)

    def note(self, job: str, identity: str, run_id: str) -> None:
        """Write down that `run_id` does `job`."""
        self.jobs[job] = {"identity": identity, "run_id": run_id}
        self.write()

    def finish(self, clock: Clock) -> None:
        """Write down that all is done."""
        self.completed = iso(clock.now())
        self.write()

    def run_of(self, job: str, identity: str) -> str | None:
        """The run that was begun for this very job, if any."""
        entry = self.jobs.get(job)
        return entry["run_id"] if entry and entry["identity"] == identity else None

    def write(self) -> None:
        """Replace the file atomically."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        document = {name: value for name, value in vars(self).items() if name != "path"}
        atomic.write_json(self.path, document)


def begin(root: Path, kind: str, manifest: Path, clock: Clock) -> Ledger:
    """A new ledger under the runs' `root`; two of one second get different files."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = atomic.new_file(folder, f"{kind}_{manifest.stem}_{stamp(clock.now())}", ".json")
    ledger = Ledger(path, kind, str(manifest), iso(clock.now()))
    ledger.write()
    return ledger


def last(root: Path, kind: str, manifest: Path) -> Ledger | None:
    """The newest ledger of this kind and manifest, or None; unreadable ones are passed over."""
    found = [
        ledger
        for path in sorted((root / FOLDER).glob(f"{kind}_*.json"))
        if (ledger := _read(path)) is not None and ledger.manifest == str(manifest)
    ]
    # Of one second, the longer name has the greater number.
    return max(
        found,
        key=lambda ledger: (ledger.started, len(ledger.path.name), ledger.path.name),
        default=None,
    )


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
    )
