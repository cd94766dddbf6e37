"""Where graphs can be staged: one small interface, and what there is behind it."""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from topoqa_train.errors import MachineError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_MOUNTS = Path("/proc/self/mountinfo")
_IN_MEMORY = ("tmpfs", "ramfs")
_SECTOR = 512


@dataclass(frozen=True)
class Room:
    """What is free: bytes, and files that may still be made (None: no such limit)."""

    size: int
    files: int | None


class Disk(Protocol):
    """A kind of place to stage in. `make` and `unmake` take the folder that files go to."""

    kind: ClassVar[str]
    in_memory: ClassVar[bool]
    parent: Path

    def room(self) -> Room | None:
        """Return the free bytes there; None where the disk is created with the needed size.

        Raises:
            MachineError: this machine has no such place.
        """
        ...

    def make(self, folder: Path, size: int) -> str | None:
        """Make `folder`, empty and ours alone, with `size` bytes to fill; gives its device.

        Raises:
            FileExistsError: the path exists.
            MachineError: it could not be made; nothing is left of it.
        """
        ...

    def unmake(self, folder: Path, device: str | None) -> None:
        """Remove it with its contents; it is not an error if it is gone already."""
        ...


class PlainFolder:
    """An ordinary temporary folder, for trying things out: nothing is any faster."""

    kind: ClassVar[str] = "folder"
    in_memory: ClassVar[bool] = False

    def __init__(self, parent: Path | None = None) -> None:
        self.parent = parent or Path(tempfile.gettempdir())

    def room(self) -> Room | None:
        """See `Disk.room`."""
        found = os.statvfs(self.parent)
        # A file system that does not count files reports 0 of 0.
        return Room(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)

    def make(self, folder: Path, size: int) -> str | None:
        """See `Disk.make`."""
        del size
        folder.mkdir(mode=0o700)
        return None

    def unmake(self, folder: Path, device: str | None) -> None:
        """See `Disk.unmake`."""
        del device
        remove_folder(folder)


class SharedMemory(PlainFolder):
    """A folder on the tmpfs that Linux has for shared memory."""

    kind: ClassVar[str] = "tmpfs"
    in_memory: ClassVar[bool] = True

    def __init__(self, parent: Path = SHARED_MEMORY, mounts: Path = _MOUNTS) -> None:
        super().__init__(parent)
        self.mounts = mounts

    def room(self) -> Room | None:
        """See `Disk.room`."""
        kind = file_system(self.parent, self.mounts)
        if kind not in _IN_MEMORY:
            raise MachineError(
                f"{self.parent} is not in memory: "
                + (f"it is on {kind}" if kind else "there is no such folder"),
                hint="Have it mounted as tmpfs, or run from disk: topoqa-train pipeline",
            )
        return super().room()


Run = Callable[[Sequence[str]], str]


def run_command(command: Sequence[str]) -> str:
    """Return the output of a command; raise `MachineError` if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise MachineError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        output = (done.stderr or done.stdout).strip().splitlines()
        raise MachineError(f"{' '.join(command)} failed", details=output[-3:])
    return done.stdout


class MacRamDisk:
    """A RAM disk of macOS: a device of memory, with HFS+ on it, mounted on the folder."""

    kind: ClassVar[str] = "hfs"
    in_memory: ClassVar[bool] = True

    def __init__(
        self,
        parent: Path | None = None,
        run: Run = run_command,
        is_mounted: Callable[[Path], bool] = Path.is_mount,
    ) -> None:
        self.parent = parent or Path(tempfile.gettempdir())
        self.run = run
        self.is_mounted = is_mounted

    def room(self) -> Room | None:
        """See `Disk.room`."""
        return None

    def make(self, folder: Path, size: int) -> str | None:
        """See `Disk.make`."""
        folder.mkdir(mode=0o700)
        try:
            device = self._attached(size)
        except MachineError:
            folder.rmdir()
            raise
        try:
            # A volume's name has at most 27 characters; nobody reads it.
            self.run(["newfs_hfs", "-v", folder.name[:27], device])
            self.run(["diskutil", "mount", "-mountPoint", str(folder), device])
        except MachineError:
            self._detach(device)
            folder.rmdir()
            raise
        return device

    def _attached(self, size: int) -> str:
        # The file system's own tables take a share; a tenth is more than they do.
        sectors = math.ceil((size * 1.1 + 16 * 2**20) / _SECTOR)
        printed = self.run(["hdiutil", "attach", "-nomount", f"ram://{sectors}"])
        found = re.search(r"/dev/disk\d+", printed)
        if found is None:
            raise MachineError(f"hdiutil named no device: {printed.strip()!r}")
        return found[0]

    def _detach(self, device: str) -> None:
        try:
            self.run(["hdiutil", "detach", device])
        except MachineError:
            # Something still looks at it, such as the search index.
            self.run(["hdiutil", "detach", "-force", device])

    def unmake(self, folder: Path, device: str | None) -> None:
        """See `Disk.unmake`."""
        # Unmounted, the device's name may since have become another disk's.
        if device is not None and self.is_mounted(folder):
            self._detach(device)
        remove_folder(folder)


KINDS: dict[str, Callable[[], Disk]] = {
    kind.kind: kind for kind in (PlainFolder, SharedMemory, MacRamDisk)
}


def choose(*, test_mode: bool, system: str | None = None) -> Disk:
    """Return the kind of RAM disk for this machine; raise `MachineError` if there is none."""
    if test_mode:
        return PlainFolder()
    name = system or platform.system()
    if name == "Linux":
        return SharedMemory()
    if name == "Darwin":
        return MacRamDisk()
    raise MachineError(
        f"there is no RAM disk for {name} here; Linux and macOS have one",
        hint="Run from disk: topoqa-train pipeline",
    )


def remove_folder(folder: Path) -> None:
    """Remove a folder of this program with its contents; leave links and other folders alone."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return
    if folder.is_symlink() or status.st_uid != os.getuid():
        return
    shutil.rmtree(folder)


def file_system(folder: Path, mounts: Path) -> str | None:
    """Return the type of the file system that `folder` is on; None if the folder does not exist."""
    if not folder.is_dir():
        return None
    best, kind = -1, None
    for line in mounts.read_text().splitlines():
        left, _, right = line.partition(" - ")
        point = Path(_unescaped(left.split()[4]))
        # Of two mounts on one place the later one is seen.
        if folder.resolve().is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), right.split()[0]
    return kind


def is_in_memory(folder: Path, mounts: Path = _MOUNTS) -> bool:
    """Return whether `folder` is in memory already; False if unknown."""
    return mounts.is_file() and file_system(folder, mounts) in _IN_MEMORY


def _unescaped(text: str) -> str:
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), text)
