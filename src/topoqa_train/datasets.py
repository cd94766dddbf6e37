"""Data sets by name: what a plugin of `topoqa_train.datasets` gives, and how it is asked.

A data set plugin is a callable `prepare(progress) -> DataSetPaths`. It builds what is missing
(into a cache of its own, safely beside other processes) and returns where everything lies.
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
    """Shows that work goes on: `with progress("building", 24) as advance: advance(1)`."""

    def __call__(
        self, description: str, total: int | None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a task of `total` steps (None: unknown)."""
        ...


@dataclass(frozen=True)
class DataSetPaths:
    """Where a data set lies; all paths absolute.

    `version` changes whenever the same name would give other numbers.
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
    """Have the data set `name` made ready.

    Raises:
        RequestError: no plugin gives that name; the known ones are named.
        PluginError: its plugin cannot be loaded.
    """
    plugin = discovery.find(
        discovery.DATASETS,
        "data set",
        name,
        hint="'demo' comes with the plugin topoqa-graphs: pip install -r requirements.txt",
    )
    prepare_it = plugin.load()
    with plugin.attribute_errors():
        result = prepare_it(progress)
    if not isinstance(result, DataSetPaths):
        raise discovery.PluginError(
            f"the data set '{name}' of {plugin.distribution} gave "
            f"{type(result).__name__}, not DataSetPaths"
        )
    return result


def cache_folder() -> Path:
    """Where this machine's user keeps what can be built again.

    It is `TOPOQA_TRAIN_CACHE`, else the platform's folder for caches.
    """
    from platformdirs import user_cache_path

    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser().absolute() if given else user_cache_path("topoqa-train")


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """`folder`, filled by `build` if it is not there yet.

    `build` gets an empty folder beside it, which takes the name when all is in it: so a folder of
    that name is a whole one, whatever was killed. Of several processes one builds, and the others
    wait for it.

    Raises:
        MachineError: there is no room, or nothing may be written there.
    """
    if folder.is_dir():
        return folder
    with _may_be_written(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder)
    with lock:
        if not folder.is_dir():
            part = folder.with_name(f"{folder.name}.part")
            with _may_be_written(folder.parent):
                if part.exists():
                    shutil.rmtree(part)
                part.mkdir()
            with atomic.translate_disk_full(folder):
                build(part)
                atomic.flush_tree(part)
            part.replace(folder)
            atomic.flush_folder(folder.parent)
    return folder


def _locked(folder: Path) -> AbstractContextManager[object]:
    """A lock for who makes `folder`, held; it goes with the process."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        _logger.warning("another process makes %s; waiting for it", folder)
        return lock.acquire()


@contextmanager
def _may_be_written(folder: Path) -> Iterator[None]:
    try:
        with atomic.translate_disk_full(folder):
            yield
    except OSError as error:
        raise MachineError(
            f"{folder}: can't be written: {error.strerror or error}",
            hint=f"Name a folder that can: {CACHE_VARIABLE}=/some/folder",
        ) from error
