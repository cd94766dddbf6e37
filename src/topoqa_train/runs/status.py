"""Whether a run runs, from its files and the process they name; asked anew each time."""

from __future__ import annotations

import os
import socket
from enum import StrEnum
from typing import Any

import psutil

from topoqa_train.clock import Clock
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import RunPaths

# A run on another host counts as alive while one of its files is younger than this.
HEARTBEAT_SECONDS = 15 * 60
_START_TOLERANCE_SECONDS = 2.0


class Status(StrEnum):
    """The five states of a run."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


def this_process() -> dict[str, Any]:
    """What tells this process from any other, now and later: pids are used again."""
    return {
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "host": socket.gethostname(),
    }


def derive(paths: RunPaths, metadata: RunMetadata, clock: Clock) -> Status:
    """The state of a run now: what its metadata says, unless its process is gone."""
    written = _known(metadata.status)
    if written not in (Status.CREATED, Status.RUNNING):
        return written
    if _lives(paths, metadata.process, clock):
        return written
    return Status.INTERRUPTED


def _known(text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        return Status.INTERRUPTED


def _lives(paths: RunPaths, process: dict[str, Any], clock: Clock) -> bool:
    if process.get("host") != socket.gethostname():
        return _beats(paths, clock)
    try:
        found = psutil.Process(int(process["pid"]))
        same = abs(found.create_time() - float(process["started"])) < _START_TOLERANCE_SECONDS
        return bool(same and found.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


def _beats(paths: RunPaths, clock: Clock) -> bool:
    moments = [
        file.stat().st_mtime
        for file in (paths.metrics, paths.metadata, paths.console_log)
        if file.exists()
    ]
    return bool(moments) and clock.now().timestamp() - max(moments) < HEARTBEAT_SECONDS
