"""From structures to a folder of graphs with its metadata, summary and labels."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from topoqa_graphs import partners as naming
from topoqa_graphs.features import GraphArrays, build_graph
from topoqa_graphs.records import (
    BUILDER_VERSION,
    LABELS,
    Ledger,
    Record,
    record,
    stamp,
    write_summary,
)
from topoqa_graphs.sources import Failure, Source, find_natives, find_sources
from topoqa_graphs.structures import Structure
from topoqa_graphs.workers import Outcome, Task, outcomes
from topoqa_train.api import (
    DataError,
    Progress,
    RequestError,
    notify,
    progress,
    target_of,
    write_graph,
    write_text,
)

__all__ = [
    "BUILDER_VERSION",
    "BuildReport",
    "Failure",
    "GraphArrays",
    "Source",
    "build_graph",
    "build_graphs",
    "find_natives",
    "find_sources",
]

_LOCK = ".graph_build.lock"


@dataclass(frozen=True)
class BuildReport:
    """Outcome of each decoy by MODEL; `kept` existed already, built from the same structure."""

    built: tuple[str, ...]
    kept: tuple[str, ...]
    failed: tuple[Failure, ...]
    dockq: dict[str, float]


def build_graphs(
    sources: Iterable[Source],
    out: Path,
    *,
    compat: bool = False,
    jobs: int = 1,
    force: bool = False,
    total: int | None = None,
    show: Progress = progress,
) -> BuildReport:
    """Build the graphs of `sources` into `out`, in `jobs` processes.

    Writes `graph_data/<MODEL>.pt`, `graph_metadata.json`, the builder's summary and, where
    sources have natives, `labels.csv`. A graph that exists already, built from the same structure
    by the same builder, is kept unless `force`. A decoy that fails is reported and stops nothing.
    The numbers do not depend on `jobs`. `sources` may be a generator; `total` is then its length.

    Raises:
        RequestError: another build writes to `out`.
        MachineError: the disk is full, or a worker was killed. Graphs built by then are kept.
    """
    if total is None and isinstance(sources, Sequence):
        total = len(sources)
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out), show("graphs", total) as advance:
        ledger = Ledger.open(out)
        building = _Building(ledger, compat, force, advance)
        try:
            with closing(outcomes(building.tasks(sources), jobs)) as ready:
                for outcome in ready:
                    building.take(outcome)
        finally:
            ledger.write()
        report = building.report()
        if building.labelled:
            _write_labels(out / LABELS, report.dockq)
        elif report.built and (out / LABELS).exists():
            notify(f"{out / LABELS} is from an earlier build: without natives it was not rewritten")
        counts = {"graphs": len(report.built) + len(report.kept), "failed": len(report.failed)}
        write_summary(out, compat, counts)
    return report


class _Building:
    """Turns sources into tasks, and outcomes into files and records."""

    def __init__(
        self, ledger: Ledger, compat: bool, force: bool, advance: Callable[[int], None]
    ) -> None:
        self.ledger = ledger
        self.compat = compat
        self.force = force
        self.advance = advance
        self.labelled = False
        self.waiting: dict[str, tuple[Source, Task, Record, str | None]] = {}
        self.built: list[str] = []
        self.kept: list[str] = []
        self.failed: list[Failure] = []
        self.dockq: dict[str, float] = {}
        self.hashes: dict[Path, str] = {}

    def tasks(self, sources: Iterable[Source]) -> Iterator[Task]:
        """Yield the task of each source; record a source with nothing to do as kept."""
        seen: set[str] = set()
        for source in sources:
            if source.model in seen:
                self._failed(source, f"duplicate decoy {source.model}")
                continue
            seen.add(source.model)
            try:
                task = self._task(source)
            except OSError as error:
                self.ledger.drop(source.model)
                self._failed(source, error.strerror or str(error))
                continue
            if task is not None:
                yield task

    def _task(self, source: Source) -> Task | None:
        self.labelled |= source.native is not None
        partners = naming.as_text(source.partners) if source.partners else None
        stamped = stamp(_hash(source.structure), partners, self.compat)
        native = self._native_hash(source.native)
        current = not self.force and self.ledger.is_current(source.model, stamped)
        scored = native is None or self.ledger.score(source.model).get("native_sha256") == native
        if current and scored:
            self.kept.append(source.model)
            self._note_score(source, self.ledger.score(source.model) if native else {})
            self.advance(1)
            return None
        task = Task(
            source.model,
            source.structure,
            source.partners,
            source.native,
            self.compat,
            wants_graph=not current,
        )
        self.waiting[source.model] = (source, task, stamped, native)
        return task

    def take(self, outcome: Outcome) -> None:
        """Write and record the outcome of a task."""
        source, task, stamped, native = self.waiting.pop(outcome.model)
        score: Record = {**(outcome.score or {}), "native_sha256": native} if native else {}
        if task.wants_graph and outcome.arrays is None:
            self.ledger.drop(outcome.model)
            self._failed(source, "; ".join(outcome.reasons))
            return
        if outcome.reasons:
            score["problem"] = "; ".join(outcome.reasons)
        if outcome.arrays is not None:
            try:
                entry = self._write(outcome.arrays, source, stamped)
            except DataError as error:
                self.ledger.drop(outcome.model)
                self._failed(source, "; ".join((error.message, *error.details)))
                return
            self.built.append(outcome.model)
        else:
            entry = self.ledger.records[outcome.model]
            self.kept.append(outcome.model)
        self.ledger.add(outcome.model, {**entry, "dockq": score or None})
        self._note_score(source, score)
        self.advance(1)

    def report(self) -> BuildReport:
        """Return the outcomes of all decoys, sorted."""
        return BuildReport(
            tuple(sorted(self.built)),
            tuple(sorted(self.kept)),
            tuple(sorted(self.failed, key=lambda failure: (failure.file, failure.reason))),
            dict(sorted(self.dockq.items())),
        )

    def _write(self, arrays: GraphArrays, source: Source, stamped: Record) -> Record:
        path = self.ledger.graph(source.model)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_graph(path, arrays.x, arrays.edge_index, arrays.edge_attr)
        return record(arrays, Path(source.file).name, stamped, self.compat)

    def _note_score(self, source: Source, score: Record) -> None:
        if "problem" in score:
            self.failed.append(Failure(source.file, score["problem"]))
        elif "dockq" in score:
            self.dockq[source.model] = score["dockq"]

    def _failed(self, source: Source, reason: str) -> None:
        self.failed.append(Failure(source.file, reason))
        self.advance(1)

    def _native_hash(self, path: Path | None) -> str | None:
        if path is None:
            return None
        if path not in self.hashes:
            try:
                self.hashes[path] = _hash(path)
            except OSError:  # scoring reads it again and reports the error
                self.hashes[path] = "can't be read"
        return self.hashes[path]


def _hash(structure: Structure | Path) -> str:
    """Return the SHA-256 of a file's bytes, or of everything in a structure in memory."""
    if isinstance(structure, Path):
        with structure.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    names: tuple[Any, ...] = (
        structure.residues,
        structure.atom_names,
        structure.elements,
        structure.hydrogen_names,
        structure.notes,
    )
    digest.update(repr(names).encode())
    for array in (
        structure.coordinates,
        structure.atom_residue,
        structure.hydrogen_coordinates,
        structure.hydrogen_residue,
    ):
        digest.update(array.tobytes())
    return digest.hexdigest()


def _write_labels(path: Path, dockq: dict[str, float]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["MODEL", "dockq", "TARGET"])
    rows.writerows([model, f"{value:.6f}", target_of(model)] for model, value in dockq.items())
    write_text(path, text.getvalue())


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Lock the folder; the kernel releases the lock when the process ends."""
    lock = FileLock(out / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RequestError(
            f"another build is writing to {out}", hint="Wait for it, or choose another --out."
        ) from None
    try:
        yield
    finally:
        lock.release()
