"""A run deleted for good: out of sight by one rename, then piece by piece."""

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

    Whether it may be deleted is for `history.held` and the run's lock to say. A deletion that is
    cut off leaves no half of a run behind, but a hidden folder: see `leftovers`.

    Raises:
        RequestError: it is no directory of a run right under the root or its history.
        MachineError: the file system refuses; what is left is hidden.
    """
    folders = (store.root, store.root / HISTORY)
    if run.root.parent not in folders or run.root.is_symlink() or not run.root.is_dir():
        raise RequestError(f"{run.root} is no run under {store.root}")
    hidden = run.root.with_name(f"{_PREFIX}{run.run_id}_{secrets.token_hex(4)}")
    try:
        run.root.rename(hidden)
        atomic.flush_folder(hidden.parent)
    except OSError as error:
        raise MachineError(f"{run.run_id} can't be deleted: {error.strerror or error}") from error
    sweep(hidden)


def leftovers(store: RunStore) -> list[Path]:
    """What deletions that were cut off have left, by name."""
    found = [
        entry
        for folder in (store.root, store.root / HISTORY)
        for entry in folder.glob(f"{_PREFIX}*")
        if entry.is_dir() and not entry.is_symlink()
    ]
    return sorted(found)


def sweep(hidden: Path) -> None:
    """Delete what a deletion left; raises `MachineError` where the file system refuses."""
    try:
        shutil.rmtree(hidden)
    except OSError as error:
        file = error.filename or hidden
        raise MachineError(
            f"{file} can't be deleted: {error.strerror or error}",
            hint=f"What is left is in {hidden}.",
        ) from error


def size_of(folder: Path) -> int:
    """Bytes of the files below `folder`; a link counts as itself, what can't be read as nothing."""
    total, pending = 0, [folder]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
