"""Reading of untrusted files without blocking, up to a limit.

Opening a named pipe blocks until a writer comes, a device may never end, and a file may grow while
it is read.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Windows has neither of the first two.
_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
_UNITS = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def opened(path: Path) -> BufferedReader:
    """Open a regular file, or a link to one, for reading.

    Raises:
        OSError: it can't be opened or is not a regular file; `strerror` is fit for a user.
    """
    try:
        # Checked before opening, which has effects on some devices, and after, because the file
        # may have been replaced in between.
        _check_kind(path.stat(), path)
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except ValueError as error:  # a null byte in the name
        raise OSError(errno.EINVAL, "not a valid path", str(path)) from error
    try:
        _check_kind(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def size(file: BinaryIO) -> int:
    """Return the present size of an open file in bytes."""
    return os.fstat(file.fileno()).st_size


def content(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes.

    Raises:
        OSError: as `opened`, or the file has more than `most` bytes (`errno.EFBIG`).
    """
    with opened(path) as file:
        return read(file, most, path)


def read(file: BinaryIO, most: int, path: Path) -> bytes:
    """Return the rest of the open file `path`, which may have at most `most` bytes.

    Raises:
        OSError: the file has more than `most` bytes (`errno.EFBIG`), or can't be read.
    """
    check_size(file, most, path)
    # read(most) would allocate `most` bytes, however small the file is.
    parts = [_some(file, min(size(file), most) + 1, path)]
    while parts[-1] and sum(map(len, parts)) <= most:
        parts.append(_some(file, 2**20, path))
    whole = b"".join(filter(None, parts))  # of a single part it is no copy
    if len(whole) > most:
        raise too_large(len(whole), most, path)
    return whole


def check_size(file: BinaryIO, most: int, path: Path) -> None:
    """Raise `OSError` (`errno.EFBIG`) if the open file `path` has more than `most` bytes."""
    if (actual := size(file)) > most:
        raise too_large(actual, most, path)


def too_large(actual: int, most: int, path: Path) -> OSError:
    """Return the error for a file of `actual` bytes where `most` are allowed."""
    message = f"it has {_bytes(actual)}; the limit is {_bytes(most)}"
    return OSError(errno.EFBIG, message, str(path))


def _some(file: BinaryIO, most: int, path: Path) -> bytes:
    part: bytes | None = file.read(most)
    if part is None:
        raise OSError(errno.EAGAIN, "it has no data to read at the moment", str(path))
    return part


def _check_kind(status: os.stat_result, path: Path) -> None:
    for is_kind, name in _KINDS:
        if is_kind(status.st_mode):
            code = errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL
            raise OSError(code, f"it is {name}, not a file", str(path))


def _bytes(count: int) -> str:
    unit, each = next((pair for pair in _UNITS if count >= pair[1]), ("bytes", 1))
    return f"{count / each:.1f}".removesuffix(".0") + f" {unit}"
