"""Delete a run directory: hide it by one rename, then remove its files.

A run must never be half there: readers take any directory with a `run_metadata.json` for a whole
run. The rename is atomic, and what a cut-off deletion leaves is hidden and can be removed later.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from topoqa_train import atomic
from topoqa_train.errors import MachineError, RequestError
from topoqa_train.runs.paths import HISTORY, RunPaths
from topoqa_train.runs.store import RunStore

_PREFIX = ".deleting_"


def remove(store: RunStore, run: RunPaths) -> None:
    """Delete the directory of a run of `store`; links in it are deleted, not followed.

    The caller checks `history.held` and holds the run's lock.

    Raises:
        RequestError: it is not a run directory directly under the root or its history.
        MachineError: the file system refuses; what is left is hidden.
    """
    if run.root.parent not in _folders(store) or run.root.is_symlink() or not run.root.is_dir():
        raise RequestError(f"{run.root} is no run under {store.root}")
    hidden = run.root.with_name(f"{_PREFIX}{run.run_id}_{secrets.token_hex(4)}")
    try:
        run.root.rename(hidden)
        # On disk before the first file goes, else a power cut could bring back half a run.
        atomic.flush_folder(hidden.parent)
    except OSError as error:
        raise MachineError(f"{run.run_id} can't be deleted: {error.strerror or error}") from error
    remove_leftover(hidden)


def leftovers(store: RunStore) -> list[Path]:
    """Return the hidden folders of deletions that were cut off, sorted."""
    entries = (entry for folder in _folders(store) for entry in folder.glob(f"{_PREFIX}*"))
    return sorted(entry for entry in entries if entry.is_dir() and not entry.is_symlink())


def _folders(store: RunStore) -> tuple[Path, Path]:
    return store.root, store.root / HISTORY


def remove_leftover(hidden: Path) -> None:
    """Delete a hidden folder; raise `MachineError` if the file system refuses."""
    try:
        shutil.rmtree(hidden)
    except OSError as error:
        raise MachineError(
            f"{error.filename or hidden} can't be deleted: {error.strerror or error}",
            hint=f"What is left is in {hidden}.",
        ) from error


def size_of(folder: Path) -> int:
    """Return the bytes of all files below `folder`; links count as themselves."""
    total = 0
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*files, *links):
            try:
                total += Path(parent, name).lstat().st_size
            except OSError:
                continue  # deleted meanwhile
    return total
