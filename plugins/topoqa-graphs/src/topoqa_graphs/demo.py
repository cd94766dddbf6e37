"""The data set `demo`: graphs of decoys of the shipped natives, split by family.

Built once into a cache, in a folder named by everything that decides its numbers. It is built
beside that folder and moved into place when it is whole, so a folder with the final name is a
finished one; a build that was killed is resumed by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from topoqa_graphs.families import SPLITS
from topoqa_train.api import (
    CACHE_VARIABLE,
    DataError,
    DataSetPaths,
    MachineError,
    Progress,
    RequestError,
    cache_folder,
    notify,
    write_json,
    write_text,
)

if TYPE_CHECKING:
    from topoqa_graphs.dockq import DockQ
    from topoqa_graphs.sources import Source

NAME = "demo"
NATIVES = Path(__file__).parent / "natives"
STAMP = "dataset.json"
GRAPHS = "graph_data"
STRUCTURES = "structures"
LABEL_COLUMNS = ("MODEL", "dockq", "TARGET")
# Their code or their arithmetic decides the numbers. A module that these import is one of them.
DECIDING_MODULES = (
    *("backbone", "decoys", "dockq", "features", "matching", "partners", "residues"),
    *("structures", "surface", "topology"),
)
_DECIDING_PACKAGES = ("gemmi", "gudhi", "mdtraj", "numpy", "scipy")
_PART = ".part"
_MOST_JOBS = 16


@dataclass(frozen=True)
class Plan:
    """What a demo data set holds; the defaults are those of the data set `demo`."""

    splits: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(SPLITS))
    count: int = 20  # two for each of the ten bins of DockQ that decoys are spread over
    seed: int = 222

    @property
    def targets(self) -> list[str]:
        """All complexes, sorted."""
        return sorted(name for names in self.splits.values() for name in names)

    @property
    def graphs(self) -> int:
        """How many graphs there will be."""
        return len(self.targets) * self.count

    def models_of(self, target: str) -> list[str]:
        """Return the MODEL of every decoy of a complex."""
        return [f"{target}_{number:03d}" for number in range(self.count)]


def prepare(progress: Progress) -> DataSetPaths:
    """Have the data set `demo` in the user's cache, building it if need be (minutes).

    The cache is `TOPOQA_TRAIN_CACHE`, else the platform's folder for caches. Safe to call from
    several processes: one builds, the others wait and report it.

    Raises:
        MachineError: the cache can't be written, or is full.
    """
    return ensure(Plan(), cache_folder() / NAME, progress)


def ensure(plan: Plan, home: Path, progress: Progress, jobs: int | None = None) -> DataSetPaths:
    """Return the data set of `plan` in the folder of `home` named by version; build if missing."""
    version = plan_version(plan)
    final = home / version
    if is_whole(final, version):
        return paths(final, version)
    with _waiting_for(home / f".{version}.lock"):
        if not is_whole(final, version):
            if final.exists():
                notify(f"{final} is damaged; it is built again")
                shutil.rmtree(final)
            _build(plan, version, final, progress, jobs or default_jobs(), keep_structures=False)
    return paths(final, version)


def build_demo(
    out: Path,
    progress: Progress,
    plan: Plan | None = None,
    *,
    jobs: int | None = None,
    keep_structures: bool = False,
) -> DataSetPaths:
    """Build a demo data set into `out`, outside the cache.

    If `out` holds just this already, nothing is done. With `keep_structures` the decoys are
    written to `structures/` too.

    Raises:
        RequestError: `out` holds something else, or another build writes there.
    """
    plan = plan or Plan()
    out = out.absolute()
    version = plan_version(plan)
    if plan.count < 1:
        raise RequestError(f"{plan.count} decoys were asked for", hint="--count is at least 1.")
    wanted = (out / STRUCTURES).is_dir() or not keep_structures
    if is_whole(out, version) and wanted:
        notify(f"{out} is there already")
        return paths(out, version)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError(
            f"{out} exists and is not this data set", hint="Give another --out, or move it away."
        )
    _build(plan, version, out, progress, jobs or default_jobs(), keep_structures=keep_structures)
    return paths(out, version)


def plan_version(plan: Plan) -> str:
    """Twelve hexadecimal digits that change with whatever could change a number of the data set.

    That is the plan, its natives, the code that makes decoys and graphs, and its packages.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps([plan.splits, plan.count, plan.seed], sort_keys=True).encode())
    for name in _DECIDING_PACKAGES:
        digest.update(f"{name}=={version_of(name)}\n".encode())
    modules = (NATIVES.parent / f"{name}.py" for name in DECIDING_MODULES)
    for path in (*modules, *(native_path(name) for name in plan.targets)):
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def native_path(target: str) -> Path:
    """Read the shipped native of a complex."""
    path = NATIVES / f"{target}.pdb.gz"
    if not path.is_file():
        raise DataError(f"no native {target} is shipped", hint=f"Those that are: {NATIVES}")
    return path


def default_jobs() -> int:
    """One process for each core that this one may use."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST_JOBS)
    return min(os.cpu_count() or 1, _MOST_JOBS)


def paths(folder: Path, version: str) -> DataSetPaths:
    """Where the parts of a finished data set lie."""
    return DataSetPaths(
        graph=folder / GRAPHS,
        train_labels=folder / "train.csv",
        val_labels=folder / "val.csv",
        test_labels=folder / "test.csv",
        metadata=folder / "graph_metadata.json",
        summary=folder / "graph_builder_summary.json",
        name=NAME,
        version=version,
    )


def is_whole(folder: Path, version: str) -> bool:
    """Whether `folder` is a finished data set of that version, with every file at its full size."""
    try:
        document = json.loads((folder / STAMP).read_text("utf-8"))
        if document["version"] != version:
            return False
        return all(
            (folder / name).stat().st_size == size for name, size in document["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _build(
    plan: Plan, version: str, final: Path, progress: Progress, jobs: int, *, keep_structures: bool
) -> None:
    from topoqa_graphs.build import build_graphs

    work = final.with_name(final.name + _PART)
    with _writable(work):
        (work / GRAPHS).mkdir(parents=True, exist_ok=True)
    _drop_strangers(work, plan)
    scores: dict[str, DockQ] = {}
    keep = work / STRUCTURES if keep_structures else None
    report = build_graphs(
        _sources(plan, scores, keep),
        work,
        jobs=jobs,
        total=plan.graphs,
        show=lambda _text, total: progress(f"building the data set {NAME}", total),
    )
    if report.failed:
        raise DataError(
            f"{len(report.failed)} of {plan.graphs} graphs of the data set {NAME} failed",
            details=[f"{failure.file}: {failure.reason}" for failure in report.failed[:5]],
            hint="The data set is not used. This is a bug in the plugin: please report it.",
        )
    _finish(plan, version, scores, work, final)


def _sources(plan: Plan, scores: dict[str, DockQ], keep: Path | None) -> Iterator[Source]:
    """All decoys, made a complex at a time as they are asked for; `scores` gets their labels."""
    from topoqa_graphs.decoys import make_decoys
    from topoqa_graphs.sources import Source
    from topoqa_graphs.structures import read_structure, write_pdb

    if keep is not None:
        keep.mkdir(exist_ok=True)
    for target in plan.targets:
        for decoy in make_decoys(read_structure(native_path(target)), plan.count, plan.seed):
            scores[decoy.name] = decoy.score
            if keep is not None:
                write_pdb(decoy.structure, keep / f"{decoy.name}.pdb.gz")
            yield Source(decoy.name, decoy.structure)


def _drop_strangers(work: Path, plan: Plan) -> None:
    """Remove what an earlier build of another plan, or a killed write, left among the graphs."""
    known = {model for target in plan.targets for model in plan.models_of(target)}
    for path in (work / GRAPHS).iterdir():
        if path.suffix != ".pt" or path.stem not in known:
            path.unlink()


def _finish(plan: Plan, version: str, scores: Mapping[str, DockQ], work: Path, final: Path) -> None:
    """Labels, then the stamp, then the final name: a kill in between leaves nothing half-made."""
    from topoqa_graphs.decoys import label_csv

    for split, targets in plan.splits.items():
        rows = {name: scores[name] for target in sorted(targets) for name in plan.models_of(target)}
        write_text(work / f"{split}.csv", label_csv(rows, LABEL_COLUMNS))
    _drop_strangers(work, plan)
    for leftover in work.glob(".*"):
        leftover.unlink()
    files = {
        path.relative_to(work).as_posix(): path.stat().st_size
        for path in sorted(work.rglob("*"))
        if path.is_file() and path.name != STAMP
    }
    document: dict[str, Any] = {
        "name": NAME,
        "version": version,
        "splits": {split: list(targets) for split, targets in plan.splits.items()},
        "decoys_each": plan.count,
        "seed": plan.seed,
        "files": files,
    }
    write_json(work / STAMP, document)
    work.replace(final)


@contextmanager
def _waiting_for(lock_file: Path) -> Iterator[None]:
    """Hold a lock that ends with the process; report it if another process holds the lock."""
    with _writable(lock_file.parent):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            notify(f"another process builds the data set {NAME}; waiting for it ({lock_file})")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn a folder that can't be made or written into an error with a way out."""
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"{folder}: can't be written: {error.strerror or error}",
            hint=f"Name a folder that can: {CACHE_VARIABLE}=/some/folder",
        ) from error
