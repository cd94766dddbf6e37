"""Data sets of plugins, by name.

A plugin of the group `topoqa_train.datasets` is a callable `prepare(progress) -> DataSetPaths`. It
builds missing files in a cache, safely while other processes do the same, and returns their paths.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from topoqa_train import atomic, log
from topoqa_train.errors import MachineError
from topoqa_train.plugins import discovery

CACHE_VARIABLE = "TOPOQA_TRAIN_CACHE"
_logger = log.get(__name__)


class Progress(Protocol):
    """Display of progress: `with progress("building", 24) as advance: advance(1)`."""

    def __call__(
        self, description: str, total: int | None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Start a task of `total` steps (None: unknown)."""
        ...


@dataclass(frozen=True)
class DataSetPaths:
    """Absolute paths of a data set.

    `version` changes whenever the same name would give different results.
    """

    graph: Path
    train_labels: Path
    val_labels: Path
    test_labels: Path | None
    metadata: Path | None
    summary: Path | None
    name: str
    version: str


def prepare(name: str, progress: Progress) -> DataSetPaths:
    """Prepare the data set `name`.

    Raises:
        RequestError: no plugin has that name; names the known ones.
        PluginError: its plugin is broken.
    """
    plugin = discovery.find(
        discovery.DATASETS,
        "data set",
        name,
        hint="'demo' comes with the plugin topoqa-graphs: pip install -r requirements.txt",
    )
    prepare_plugin = plugin.load()
    with plugin.attribute_errors():
        result = prepare_plugin(progress)
    if not isinstance(result, DataSetPaths):
        raise discovery.PluginError(
            f"the data set '{name}' of {plugin.distribution} returned "
            f"{type(result).__name__}, not DataSetPaths"
        )
    return result


def cache_folder() -> Path:
    """Return `TOPOQA_TRAIN_CACHE`, else the user's cache folder on this platform."""
    from platformdirs import user_cache_path

    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser().absolute() if given else user_cache_path("topoqa-train")


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return `folder`, and let `build` fill it first if it does not exist.

    `build` gets an empty folder that is renamed to `folder` at the end, so that `folder` is
    complete if it exists. Of several processes one builds and the others wait.

    Raises:
        MachineError: the disk is full or `folder` can't be written.
    """
    if folder.is_dir():
        return folder
    with _explain_unwritable(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
    with lock:
        # Checked again: another process may have built it while this one waited for the lock.
        if not folder.is_dir():
            # A fixed name, so that the remains of an interrupted build are found and deleted.
            part = folder.with_name(f"{folder.name}.part")
            with _explain_unwritable(folder.parent):
                if part.exists():
                    shutil.rmtree(part)
                part.mkdir()
            with atomic.translate_disk_full(folder):
                build(part)
                atomic.flush_tree(part)
            part.replace(folder)
            atomic.flush_folder(folder.parent)
    return folder


def _lock(folder: Path) -> AbstractContextManager[object]:
    """Acquire the lock for building `folder`; the system releases it if the process dies."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        _logger.warning("another process is building %s; waiting for it", folder)
        return lock.acquire()


@contextmanager
def _explain_unwritable(folder: Path) -> Iterator[None]:
    try:
        with atomic.translate_disk_full(folder):
            yield
    except OSError as error:
        raise MachineError(
            f"{folder} can't be written: {error.strerror or error}",
            hint=f"Set another folder: {CACHE_VARIABLE}=/some/folder",
        ) from error
