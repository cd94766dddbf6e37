"""The directory of a new run, out of sight until its first files are in it.

So a folder under a run's name is a run at any moment, whatever was killed or failed in between, and
a name that nothing came of is free again.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from topoqa_train import atomic
from topoqa_train.clock import Clock
from topoqa_train.runs.paths import RunPaths

FOLDER = ".making"
# Making one takes a moment; what is older was left by somebody who was killed.
_LEFT_SECONDS = 3600.0
_ATTEMPTS = 100
# What the system says of a name that is taken: by a run, by a file.
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


@contextmanager
def place(root: Path, clock: Clock) -> Iterator[RunPaths]:
    """An empty run under `root` that has no name yet; if it gets none, it is gone afterwards."""
    paths = _new(root / FOLDER)
    try:
        for folder in (paths.config_dir, paths.metrics.parent, paths.checkpoints):
            folder.mkdir()
        yield paths
    finally:
        shutil.rmtree(paths.root, ignore_errors=True)
        _sweep(root / FOLDER, clock)


def name(made: RunPaths, new: Path) -> bool:
    """Give a run that was made its name, for good; False if that is taken."""
    # An empty folder would be replaced without a word.
    if os.path.lexists(new):
        return False
    try:
        made.root.rename(new)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    atomic.flush_folder(new.parent)
    return True


def _new(making: Path) -> RunPaths:
    for attempt in range(_ATTEMPTS):
        paths = RunPaths(making / f"{os.getpid()}_{secrets.token_hex(4)}")
        try:
            paths.root.mkdir(parents=True)
        except FileNotFoundError:  # another process found the folder empty and put it away
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    return paths


def _sweep(making: Path, clock: Clock) -> None:
    with suppress(OSError):
        for left in making.iterdir():
            if clock.now().timestamp() - left.stat().st_mtime > _LEFT_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        making.rmdir()
