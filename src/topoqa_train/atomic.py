"""Files that are either the old one or the new one, never half of either.

Written beside, flushed to the disk, then moved over (a rename over it), then the folder is flushed,
so that a power cut after the call cannot bring the old file back.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from topoqa_train.errors import MachineError, RequestError, TopoqaTrainError

# What the system calls a fault of the machine rather than of the request.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_MACHINE = (
    errno.EIO,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENODEV,
    errno.ENXIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
TEMPORARY_SUFFIX = ".tmp"
_POINTER_BYTES = 4096


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; on leaving, make it `path` for good.

    If the block raises, `path` is untouched and the temporary file is gone. A full disk is a
    `MachineError`; any other error of the system names `path`.
    """
    beside = _beside(path)
    try:
        with translate_disk_full(path), _naming(path, beside):
            yield beside
            flush_file(beside)
            beside.replace(path)
            flush_folder(path.parent)
    except BaseException:
        _forget(beside)
        raise


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")


def _forget(beside: Path) -> None:
    """Delete what was written beside; what the disk makes of that must not hide why."""
    with suppress(OSError):
        beside.unlink()


def delete_leftovers(folder: Path) -> None:
    """Delete what writers that were killed left beside the files of `folder`."""
    for left in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        writer = left.name.removesuffix(TEMPORARY_SUFFIX).split(".")[-2:-1]
        if not any(map(_is_at_work, writer)):
            _forget(left)


def _is_at_work(pid: str) -> bool:
    """Whether another process of this number is there, which may be the writer."""
    try:
        os.kill(int(pid), 0)
    except (OSError, ValueError, OverflowError):
        return False
    return int(pid) != os.getpid()


@contextmanager
def _naming(path: Path, beside: Path | None = None) -> Iterator[None]:
    """Have an error of the system name `path`, which people know, not `beside` nor nothing."""
    try:
        yield
    except OSError as error:
        strange = error.filename is None or str(error.filename) == str(beside)
        if error.errno is None or not strange:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def translate_disk_full(path: Path) -> Iterator[None]:
    """Turn 'no space left' into a `MachineError` that names the folder and what is free there."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise disk_full_error(path) from error


def as_project_error(error: OSError | TopoqaTrainError) -> TopoqaTrainError:
    """What the system says, as an error of ours that names the file; ours as it is.

    A full disk and a failing machine are `MachineError`; what is not there or not allowed is a
    wrong request.
    """
    if isinstance(error, TopoqaTrainError):
        return error
    if error.errno in _NO_ROOM:
        return disk_full_error(Path(str(error.filename or Path.cwd())))
    kind = MachineError if error.errno in _MACHINE else RequestError
    name = f"{error.filename}: " if error.filename else ""
    return kind(f"{name}{error.strerror or error}")


def disk_full_error(path: Path) -> MachineError:
    """The error for a disk that is full under `path`."""
    folder = path if path.is_dir() else path.parent
    try:
        free = f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB free"
    except OSError:
        free = "free space unknown"
    return MachineError(
        f"no room left to write {path}",
        details=[f"{folder}: {free}"],
        hint="Make room there, or put runs elsewhere: --output-root or TOPOQA_TRAIN_RUNS.",
    )


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, atomically and durably."""
    with replacing(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace `path` by `content` in UTF-8, atomically and durably."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, document: Mapping[str, Any] | list[Any]) -> None:
    """Replace `path` by a JSON document that people can read, atomically and durably."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_line(path: Path, line: str) -> None:
    """Add one line to `path`, whole or not at all where the disk is full, and flush it."""
    with translate_disk_full(path), _naming(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _write_whole(descriptor, (line.rstrip("\n") + "\n").encode("utf-8"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_whole(descriptor: int, content: bytes) -> None:
    before = os.fstat(descriptor).st_size
    written = 0
    try:
        # A disk that is nearly full takes a part, and complains only when asked again.
        while written < len(content):
            written += os.write(descriptor, content[written:])
    except OSError:
        if written:
            os.ftruncate(descriptor, before)
        raise


def new_file(folder: Path, stem: str, suffix: str) -> Path:
    """Make an empty file that no other process has: `stem` and `suffix`, numbered where taken."""
    number = 1
    while True:
        path = folder / f"{stem}{'' if number == 1 else f'_{number}'}{suffix}"
        try:
            with translate_disk_full(path):
                path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path


def replace_link(link: Path, target: str) -> None:
    """Point `link` at `target` (relative to the link's folder) with no moment without a link.

    Where links can't be made, a regular target is copied and a folder gets a pointer file: a text
    file that holds the target's name, which `link_target` reads.
    """
    beside = _beside(link)
    with translate_disk_full(link), _naming(link, beside):
        try:
            beside.symlink_to(target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _stand_in(link, target)
            return
        try:
            beside.replace(link)
        except BaseException:
            _forget(beside)
            raise
        flush_folder(link.parent)


def _stand_in(link: Path, target: str) -> None:
    source = link.parent / target
    if source.is_file():
        with replacing(link) as beside:
            shutil.copyfile(source, beside)
    else:
        write_text(link, target + "\n")


def link_target(link: Path) -> Path | None:
    """Where `link` (link or pointer file) says that it leads, be it there or not; else None."""
    try:
        if link.is_symlink():
            return link.parent / link.readlink()
        if not link.is_file() or link.stat().st_size > _POINTER_BYTES:
            return None
        text = link.read_text("utf-8")
    except (OSError, ValueError):  # ValueError: not text
        return None
    name = text.strip()
    # Without its line's end it was cut, and the rest may be the name of another.
    return link.parent / name if name and text.endswith("\n") and "\0" not in name else None


def flush_file(path: Path) -> None:
    """Bring the content of `path` to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Bring all that is below `folder` to the disk, links not followed."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            flush_tree(entry)
        elif entry.is_file() and not entry.is_symlink():
            flush_file(entry)
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk, where the file system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
