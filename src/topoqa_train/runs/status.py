"""Whether a run runs, from its files and the process they name; asked anew each time."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
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
    lives = process_lives(metadata.process)
    if lives is None:
        lives = beats((paths.metrics, paths.metadata, paths.console_log), clock)
    return written if lives else Status.INTERRUPTED


def _known(text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        return Status.INTERRUPTED


def process_lives(process: Mapping[str, Any]) -> bool | None:
    """Whether the very process that `this_process` once told of lives; None: on another host."""
    if process.get("host") != socket.gethostname():
        return None
    try:
        found = psutil.Process(int(process["pid"]))
        same = abs(found.create_time() - float(process["started"])) < _START_TOLERANCE_SECONDS
        return bool(same and found.status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, KeyError, TypeError, ValueError, OverflowError):
        return False


def beats(files: Iterable[Path], clock: Clock) -> bool:
    """Whether one of `files` was written lately: all there is to tell of another host's run."""
    moments = []
    for file in files:
        with suppress(OSError):
            moments.append(file.stat().st_mtime)
    return bool(moments) and clock.now().timestamp() - max(moments) < HEARTBEAT_SECONDS
