"""The work on one decoy, and the processes that do it side by side."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from threading import Thread
from typing import Any

from topoqa_graphs.features import GraphArrays, build_graph
from topoqa_graphs.partners import Partners, suited
from topoqa_graphs.structures import Structure, model_name, read_structure
from topoqa_train.api import MachineError, TopoqaTrainError

# Two a process: one in work, one waiting. More would only fill memory.
_IN_FLIGHT = 2
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, eq=False)
class Task:
    """Build a decoy's graph, score it against its native, or both."""

    model: str
    structure: Structure | Path
    partners: Partners | None
    native: Path | None
    compat: bool
    wants_graph: bool = True


@dataclass(frozen=True, eq=False)
class Outcome:
    """Outcome of a task; `reasons` explain what is missing."""

    model: str
    arrays: GraphArrays | None
    score: dict[str, Any] | None
    reasons: tuple[str, ...]


def outcomes(tasks: Iterator[Task], jobs: int) -> Generator[Outcome]:
    """Do the tasks, in this process if `jobs` is 1; in the order in which they get ready.

    Tasks are drawn as there is room for them, so a generator of structures stays small.

    Raises:
        MachineError: a worker was killed, as a machine without memory does.
    """
    if jobs <= 1:
        _native.cache_clear()  # files may have changed since an earlier build in this process
        yield from map(work, tasks)
        return
    with _single_threaded(), _pool(jobs) as pool:
        running: set[Future[Outcome]] = set()
        try:
            for task in tasks:
                running.add(pool.submit(work, task))
                if len(running) >= _IN_FLIGHT * jobs:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        except BrokenProcessPool as error:
            raise MachineError(
                "a process that built graphs was killed",
                hint="Was the memory full? Graphs built so far are kept; try fewer --jobs.",
            ) from error


def work(task: Task) -> Outcome:
    """Run one task. No error of one decoy leaves this function as an exception."""
    arrays: GraphArrays | None = None
    score: dict[str, Any] | None = None
    try:
        structure = task.structure
        if isinstance(structure, Path):
            structure = read_structure(structure)
        if task.wants_graph:
            arrays = build_graph(structure, task.compat, task.partners)
    except Exception as error:  # noqa: BLE001 - reported by name; one decoy must not stop the others
        return Outcome(task.model, None, None, (_said(error, task),))
    try:
        if task.native is not None:
            score = _score(structure, task.native, task.partners)
    except Exception as error:  # noqa: BLE001 - as above; the graph is good without its label
        return Outcome(task.model, arrays, None, (f"no DockQ: {_said(error, task)}",))
    return Outcome(task.model, arrays, score, ())


def _score(decoy: Structure, native_file: Path, partners: Partners | None) -> dict[str, Any]:
    from topoqa_graphs.dockq import dockq

    native = _native(native_file)
    found = dockq(decoy, native, partners and suited(partners, native))
    return {
        "dockq": found.dockq,
        "fnat": found.fnat,
        "irmsd": found.irmsd,
        "lrmsd": found.lrmsd,
        "f1": found.f1,
        "clashes": found.clashes,
        "notes": list(found.notes),
    }


@lru_cache(maxsize=8)
def _native(path: Path) -> Structure:
    return read_structure(path)


def _said(error: Exception, task: Task) -> str:
    """Return the message on one line, without the decoy's name, which is shown next to it."""
    if isinstance(error, TopoqaTrainError):
        name = task.structure.name if isinstance(task.structure, Structure) else task.structure
        message = error.message.removeprefix(f"{name}: ")
        if isinstance(name, Path):
            message = message.removeprefix(f"{model_name(name)}: ")
        return "; ".join((message, *error.details))
    return f"internal error in the builder: {type(error).__name__}: {error}"


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes (no fork: this one may hold threads and torch)."""
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_start_worker)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Limit numerical libraries to one thread: the worker processes share the cores."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
