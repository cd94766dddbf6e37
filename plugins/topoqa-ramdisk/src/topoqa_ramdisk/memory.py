"""How much memory may still be taken: the machine's, and what the control groups leave of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

# Version 1 writes "no limit" as a number close to 2^63.
_NO_LIMIT = 2**60


@dataclass(frozen=True)
class Available:
    """Bytes, and what sets the limit: the machine, or the folder of a control group."""

    size: int
    limit: str


@dataclass(frozen=True)
class _Names:
    """What the files of a version of control groups are called."""

    limit: str
    usage: str
    reclaimable: str


_V1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = _Names("memory.max", "memory.current", "inactive_file")


def available(root: Path = Path("/")) -> Available:
    """Return the minimum of the machine's memory and what each control group allows.

    `root` is where `proc` and `sys` are.
    """
    machine = Available(psutil.virtual_memory().available, "the machine")
    return min((machine, *_groups(root)), key=lambda each: each.size)


def _groups(root: Path) -> Iterator[Available]:
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no such thing here, as on macOS
        return
    top = root / "sys/fs/cgroup"
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from _levels(top, path, _V2)
        elif "memory" in controllers.split(","):
            yield from _levels(top / "memory", path, _V1)


def _levels(top: Path, path: str, names: _Names) -> Iterator[Available]:
    """Yield the group and its parents: each limits. In a container `path` may be outside."""
    below = PurePosixPath(path.lstrip("/"))
    for part in (below, *below.parents):
        left = _left(top / part, names)
        if left is not None:
            yield Available(left, str(top / part))


def _left(group: Path, names: _Names) -> int | None:
    try:
        limit = (group / names.limit).read_text().strip()
        usage = int((group / names.usage).read_text())
        if not limit.isdecimal() or int(limit) >= _NO_LIMIT:
            return None
        return max(0, int(limit) - usage + _reclaimable(group, names))
    except (OSError, ValueError):
        return None


def _reclaimable(group: Path, names: _Names) -> int:
    """File cache that the kernel gives up when memory is wanted."""
    for line in (group / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == names.reclaimable:
            return int(value)
    return 0
