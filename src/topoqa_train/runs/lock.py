"""One writer per run: a lock that the kernel releases when the process dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from topoqa_train.errors import RequestError
from topoqa_train.runs.paths import RunPaths


class BusyRunError(RequestError):
    """Another process is writing the run."""


@contextmanager
def writing(paths: RunPaths) -> Iterator[None]:
    """Be the only writer of the run inside the block.

    Raises:
        BusyRunError: another process is writing it.
    """
    busy = BusyRunError(
        f"run {paths.run_id} is being written by another process",
        hint="Wait until it is done, or stop it first. Its progress: "
        f"topoqa-train monitor --run-dir {paths.root}",
    )
    with at_once(paths.lock, busy):
        yield


@contextmanager
def at_once(path: Path, busy: RequestError) -> Iterator[None]:
    """Hold the lock file `path`, or raise `busy` if another process holds it."""
    # The kernel's lock, not the file, is what counts: the file is left behind, and may move to
    # `history/` with its run while it is held.
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise busy from None
    try:
        yield
    finally:
        lock.release()
