"""Atomic and durable writes: after a kill or a power cut a file has its old or its new content.

A temporary file in the same folder is written and flushed, then renamed over the old one, then the
folder is flushed. Without the last step a power cut after the call could bring the old file back.
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

# Errors of the machine rather than of the request.
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
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
_NO_SYMLINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
TEMPORARY_SUFFIX = ".tmp"
_POINTER_BYTES = 4096


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; at the end of the block, replace `path` by it.

    If the block raises, `path` is untouched and the temporary file is deleted. A full disk is a
    `MachineError`; any other OSError names `path`.
    """
    temporary = _temporary(path)
    try:
        with translate_disk_full(path), _naming(path, temporary):
            yield temporary
            # Before the rename: some file systems write it to the disk first, and a power cut in
            # between would leave the name with an empty file.
            flush_file(temporary)
            temporary.replace(path)
            flush_folder(path.parent)
    except BaseException:
        _delete(temporary)
        raise


def _temporary(path: Path) -> Path:
    # The process id tells `delete_leftovers` whether the writer still runs; the random part
    # separates threads of one process. In the same folder, because a rename across file systems
    # is a copy.
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")


def _delete(temporary: Path) -> None:
    # A second error would hide the first one.
    with suppress(OSError):
        temporary.unlink()


def delete_leftovers(folder: Path) -> None:
    """Delete the temporary files that killed writers left in `folder`."""
    for left in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        writer = left.name.removesuffix(TEMPORARY_SUFFIX).split(".")[-2:-1]
        if not any(map(_is_other_process, writer)):
            _delete(left)


def _is_other_process(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (OSError, ValueError, OverflowError):
        return False
    return int(pid) != os.getpid()


@contextmanager
def _naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Make an OSError that names `temporary` or nothing name `path`, which the user knows."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def translate_disk_full(path: Path) -> Iterator[None]:
    """Convert 'no space left' to a `MachineError` with the folder and its free space."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise disk_full_error(path) from error


def as_project_error(error: OSError | TopoqaTrainError) -> TopoqaTrainError:
    """Convert an OSError to an error that names the file; return others unchanged.

    A full disk and a failing machine are a `MachineError`; a missing file or permission is a
    `RequestError`.
    """
    if isinstance(error, TopoqaTrainError):
        return error
    if error.errno in _DISK_FULL:
        return disk_full_error(Path(str(error.filename or Path.cwd())))
    kind = MachineError if error.errno in _MACHINE else RequestError
    name = f"{error.filename}: " if error.filename else ""
    return kind(f"{name}{error.strerror or error}")


def disk_full_error(path: Path) -> MachineError:
    """Return the error for a full disk at `path`."""
    folder = path if path.is_dir() else path.parent
    try:
        free = f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB free"
    except OSError:
        free = "free space unknown"
    return MachineError(
        f"no space left to write {path}",
        details=[f"{folder}: {free}"],
        hint="Free some space there, or write runs elsewhere: --output-root or TOPOQA_TRAIN_RUNS.",
    )


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, atomically and durably."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace `path` by `content` in UTF-8, atomically and durably."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, document: Mapping[str, Any] | list[Any]) -> None:
    """Replace `path` by an indented JSON document, atomically and durably."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_line(path: Path, line: str) -> None:
    """Append one line to `path` and flush it; a full disk leaves no part of the line."""
    # With O_APPEND the lines of several processes follow each other and none is overwritten.
    with translate_disk_full(path), _naming(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _write_all(descriptor, (line.rstrip("\n") + "\n").encode("utf-8"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    before = os.fstat(descriptor).st_size
    written = 0
    try:
        # A nearly full disk takes a part first and fails at the next call.
        while written < len(content):
            written += os.write(descriptor, content[written:])
    except OSError:
        # The next line would be joined to a partial one, and both would be lost to readers.
        if written:
            os.ftruncate(descriptor, before)
        raise


def new_file(folder: Path, stem: str, suffix: str) -> Path:
    """Create an empty file named `stem` and `suffix`, with a number if that name exists."""
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
    """Point `link` at `target` (relative to the link's folder); a link exists at every moment.

    On a file system without links, a target file is copied, and for a folder `link` becomes a
    pointer file: a text file with the target's name, which `link_target` reads.
    """
    # A link can't be changed in place, and deleting it first would leave a moment without one.
    temporary = _temporary(link)
    with translate_disk_full(link), _naming(link, temporary):
        try:
            temporary.symlink_to(target)
        except OSError as error:
            if error.errno not in _NO_SYMLINKS:
                raise
            _replace_without_link(link, target)
            return
        try:
            temporary.replace(link)
        except BaseException:
            _delete(temporary)
            raise
        flush_folder(link.parent)


def _replace_without_link(link: Path, target: str) -> None:
    source = link.parent / target
    if source.is_file():
        with replacing(link) as temporary:
            shutil.copyfile(source, temporary)
    else:
        write_text(link, target + "\n")


def link_target(link: Path) -> Path | None:
    """Return the target of a link or pointer file, even if it does not exist; None for others."""
    try:
        if link.is_symlink():
            return link.parent / link.readlink()
        if not link.is_file() or link.stat().st_size > _POINTER_BYTES:
            return None
        text = link.read_text("utf-8")
    except (OSError, ValueError):  # ValueError: not text
        return None
    name = text.strip()
    # Without a line end the file was cut, and the rest may be the name of another run.
    return link.parent / name if name and text.endswith("\n") and "\0" not in name else None


def flush_file(path: Path) -> None:
    """Flush the content of `path` to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Flush everything below `folder` to the disk without following links."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            flush_tree(entry)
        elif entry.is_file() and not entry.is_symlink():
            flush_file(entry)
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Flush the entries of `folder` to the disk, if the file system supports it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems can't flush a folder. Then the rename is still atomic.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
