"""Graphs in memory: made, filled, and taken down whatever happens.

A staging is a folder and, beside it, a marker: a file that its owner holds locked. The kernel drops
the lock when the owner dies in any way, so a marker that can be locked is of a dead owner, and what
it belongs to may be removed. A process id alone is not enough, since ids are reused.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from topoqa_ramdisk import disks
from topoqa_ramdisk.disks import Disk
from topoqa_ramdisk.graphs import GraphFiles
from topoqa_train.errors import DataError, MachineError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM)
_SUFFIX = ".topoqa-ramdisk"
_MOST = 1000


@dataclass
class Marker:
    """The marker of one staging, locked by this process."""

    path: Path
    descriptor: int
    content: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder that it belongs to."""
        return self.path.with_name(self.path.name.removeprefix(".").removesuffix(_SUFFIX))

    @classmethod
    def lock(cls, path: Path, *, create: bool) -> Self | None:
        """Lock the marker at `path`; None if it is another's, or (without `create`) not there."""
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        while True:
            try:
                descriptor = os.open(path, flags, 0o600)
            except (FileNotFoundError, PermissionError):  # not there, or another user's
                return None
            except OSError as error:
                if error.errno == errno.ELOOP:  # a link
                    return None
                raise
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            if not _is_at(descriptor, path):  # its owner took it away between the two calls
                os.close(descriptor)
                continue
            if os.fstat(descriptor).st_uid != os.getuid():
                os.close(descriptor)
                return None
            return cls(path, descriptor, _read(descriptor))

    def write(self, **content: Any) -> None:  # noqa: ANN401 - what JSON holds
        """Add a record."""
        self.content.update(content)
        text = json.dumps(self.content).encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text, 0)

    def release(self) -> None:
        """Give the lock back; what is staged stays."""
        os.close(self.descriptor)

    def remove(self) -> None:
        """Take the marker itself away."""
        self.path.unlink(missing_ok=True)
        self.release()

    def unmake(self) -> None:
        """Remove the folder that it belongs to; nothing if it names none."""
        kind = self.content.get("kind")
        if kind in disks.KINDS:
            disks.KINDS[kind]().unmake(self.folder, self.content.get("device"))

    def take_down(self) -> None:
        """Remove the folder, then the marker; safe to repeat after a failure."""
        self.unmake()
        self.remove()


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _read(descriptor: int) -> dict[str, Any]:
    try:
        content = json.loads(os.pread(descriptor, 1 << 16, 0))
    except ValueError:  # its owner died before it wrote
        return {}
    return content if isinstance(content, dict) else {}


def marker_path(parent: Path, name: str) -> Path:
    """Where the marker of the staging `name` is."""
    return parent / f".{name}{_SUFFIX}"


def left_behind(parent: Path) -> list[Path]:
    """Take down all stagings below `parent` whose owner is dead; gives their folders.

    Those of other users are not looked at.
    """
    gone = []
    for path in sorted(parent.glob(f".*{_SUFFIX}")):
        marker = Marker.lock(path, create=False)
        if marker is None:
            continue
        there = marker.folder.exists()
        marker.take_down()
        if there:
            gone.append(marker.folder)
    return gone


@dataclass(frozen=True)
class Place:
    """Where graphs are staged: our folder, and below it the one that training reads."""

    folder: Path
    graph_dir: Path


@contextmanager
def held(
    graphs: GraphFiles, disk: Disk, name: str, announce: Callable[[Path], None]
) -> Iterator[Place]:
    """Create an empty place for `graphs` on `disk`; removed at the end of the block.

    The folder's name depends on `name` and the source alone, so that a run that was trained from it
    can be resumed from there; while another process holds it, it gets a number. `announce` is
    called with each marker before it is created.

    Raises:
        MachineError: the place could not be made.
    """
    marker = _claim(graphs, disk, name, announce)
    try:
        yield Place(marker.folder, marker.folder / graphs.folder)
    finally:
        marker.take_down()


def staging_name(source: Path, name: str) -> str:
    """Return the name of the folder that the graphs of `source` are staged in, if it is free."""
    digest = hashlib.blake2b(os.fsencode(source.resolve()), digest_size=4).hexdigest()
    return f"{name}_{digest}"


def _claim(graphs: GraphFiles, disk: Disk, name: str, announce: Callable[[Path], None]) -> Marker:
    if not os.access(disk.parent, os.W_OK | os.X_OK):
        raise MachineError(
            f"{disk.parent} can't be written to", hint="From disk: topoqa-train pipeline"
        )
    base = staging_name(graphs.source, name)
    for number in range(1, _MOST):
        path = marker_path(disk.parent, base if number == 1 else f"{base}_{number}")
        announce(path)
        marker = Marker.lock(path, create=True)
        if marker is not None and _made(marker, graphs, disk):
            return marker
    raise MachineError(f"no free name for a folder like {disk.parent / base}")


def _made(marker: Marker, graphs: GraphFiles, disk: Disk) -> bool:
    try:
        marker.unmake()  # what a dead owner left
        marker.write(kind=disk.kind, pid=os.getpid(), source=str(graphs.source), device=None)
        marker.write(device=disk.make(marker.folder, graphs.memory))
    except FileExistsError:  # not created by this program: it has no marker
        marker.remove()
        return False
    except BaseException:
        marker.take_down()
        raise
    return True


def fill(place: Place, graphs: GraphFiles, advance: Callable[[int], None]) -> None:
    """Copy all files; `advance` is called after each and may raise to stop.

    Raises:
        MachineError: there is not enough space.
        DataError: a file can't be read, or changed since it was looked at.
    """
    for file in graphs.files:
        target = place.folder / file.target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, target)
        except OSError as error:
            raise _as_ours(error, file.path, place.folder) from error
        if target.stat().st_size != file.size:
            raise DataError(f"{file.path} changed while it was staged")
        advance(1)


def _as_ours(error: OSError, source: Path, folder: Path) -> DataError | MachineError:
    # A full disk is reported with the name of what was read.
    if error.errno not in _NO_ROOM and error.filename == str(source):
        return DataError(f"{source} can't be read: {error.strerror}")
    return MachineError(
        f"the graphs could not be staged in {folder}: {error.strerror}",
        hint="It needs more room there. From disk: topoqa-train pipeline",
    )
