"""How much of the graphs the kernel has in memory anyway.

A file that was read or written lately is still in the page cache, and then a disk is as fast as a
RAM disk. Without this value a benchmark of the two can't be interpreted.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def cached_share(files: Sequence[Path]) -> float | None:
    """Return the share, 0 to 1, of the pages of `files` that are in memory; None if unknown."""
    if sys.platform != "linux":
        return None
    resident = total = 0
    for path in files:
        try:
            pages = _resident(path)
        except OSError:
            return None
        resident += sum(pages)
        total += len(pages)
    return resident / total if total else None


def _resident(path: Path) -> list[bool]:
    """Page by page, whether it is in memory.

    Raises:
        OSError: the file can't be read, or has another owner, for which the kernel gives no answer.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if os.fstat(file.fileno()).st_uid != os.geteuid() and not os.access(path, os.W_OK):
            raise PermissionError(f"{path} belongs to another user")
        if not size:
            return []
        # A private copy, because only what is writable has an address that Python gives out.
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
    states = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
    start = ctypes.c_char.from_buffer(mapped)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        address = ctypes.c_void_p(ctypes.addressof(start))
        if library.mincore(address, ctypes.c_size_t(size), states):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        del start
        with suppress(BufferError):
            mapped.close()
    return [bool(state & 1) for state in states]
