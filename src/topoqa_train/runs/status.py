"""The status of a run, derived from its files and the process that they name."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from topoqa_train.clock import Clock
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import RunPaths

# A run on another host counts as running while one of its files is younger than this.
HEARTBEAT_SECONDS = 15 * 60
_START_TOLERANCE_SECONDS = 2.0
# A file time this far in the future comes from a wrong clock and is ignored.
_AHEAD_SECONDS = 24 * 3600
_BOOT = Path("/proc/sys/kernel/random/boot_id")
# Index of starttime, field 22 in proc(5), among the fields of /proc/PID/stat after the name.
_START_FIELD = 19


class Status(StrEnum):
    """The five states of a run."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


def this_process() -> dict[str, Any]:
    """Return what identifies this process, although pids are used again.

    On Linux that includes the boot of the machine and the ticks since then: setting the clock
    changes `started`, even of a running process.
    """
    return {
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "host": socket.gethostname(),
        **_since_boot(os.getpid()),
    }


def derive(
    paths: RunPaths, metadata: RunMetadata, clock: Clock, tables: Sequence[Path] = ()
) -> Status:
    """Return the state of a run now: what its metadata says, unless its process is gone.

    `tables` are its metrics tables, if they are not where `paths` has the one of a run.
    """
    # A killed process, or a machine without power, writes nothing. So "running" in the file proves
    # nothing by itself, and readers look at the process. They never correct the file: only the
    # run's own process may write there.
    written = _known(metadata.status)
    if written not in (Status.CREATED, Status.RUNNING):
        return written
    lives = process_lives(metadata.process)
    if lives is None:
        lives = beats((paths.metadata, paths.console_log, *(tables or [paths.metrics])), clock)
    return written if lives else Status.INTERRUPTED


def _known(text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        # A word of a later version. Neither finished nor running is the safe guess: the run is
        # not archived, and it can be resumed.
        return Status.INTERRUPTED


def process_lives(process: Mapping[str, Any]) -> bool | None:
    """Return whether the process that `this_process` described lives; None if on another host."""
    # On a shared disk the run may belong to another machine, where this pid means nothing.
    if process.get("host") != socket.gethostname():
        return None
    try:
        found = psutil.Process(int(process["pid"]))
        return _is_same(found, process) and found.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, KeyError, TypeError, ValueError, OverflowError):
        return False


def _is_same(found: psutil.Process, process: Mapping[str, Any]) -> bool:
    # The start time alone is not enough: the system computes it from the clock, so it shifts when
    # the clock is set. Ticks since the boot do not, but only Linux has them, and runs of earlier
    # versions did not record them.
    now = _since_boot(found.pid)
    if now and "ticks" in process:
        return all(process.get(name) == value for name, value in now.items())
    return bool(abs(found.create_time() - float(process["started"])) < _START_TOLERANCE_SECONDS)


def _since_boot(pid: int) -> dict[str, Any]:
    """Return the id of this boot and the ticks from it to the start of a process; Linux only."""
    try:
        boot = _BOOT.read_text("ascii").strip()
        # The name of the program is in brackets and may itself contain spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return {"boot": boot, "ticks": int(fields[_START_FIELD])}
    except (OSError, ValueError, IndexError):
        return {}


def beats(files: Iterable[Path], clock: Clock) -> bool:
    """Return whether one of `files` was written recently, as files of a running run are."""
    # A shared disk gives times by the clock of its server. A difference of hours between the
    # clocks must not report a live run as interrupted, so times ahead of ours count as recent.
    now = clock.now().timestamp()
    known = [moment for moment in map(modified, files) if moment - now < _AHEAD_SECONDS]
    return now - max(known, default=0.0) < HEARTBEAT_SECONDS


def modified(path: Path) -> float:
    """Return when a file was last written, in seconds since 1970, or 0 if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
