"""Clears up after the command if it can't do so itself, being killed.

A separate process. It receives on its standard input what exists, and acts when that input ends,
which the kernel sees to however the command died. Where the command cleared up, nothing is left to
do. A guardian that is killed too leaves the rest to the next start (`staging.left_behind`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from topoqa_ramdisk.staging import Marker

# Seconds a pipeline may take to stop: it stops after a batch.
_STOP_SECONDS = 60.0
_END_SECONDS = 10.0
_CHILD, _MARKER = "child", "marker"
_COMMAND = (sys.executable, "-P", "-m", "topoqa_ramdisk.guardian")
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Guardian:
    """The command's side: everything registered here is guarded inside the block."""

    def __enter__(self) -> Self:
        # A session of its own, so that Ctrl-C and a closed terminal don't reach it.
        self._process = subprocess.Popen(  # noqa: S603 - fixed arguments
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def child(self, pid: int) -> None:
        """Register a pipeline that must not outlive the command."""
        self._tell(f"{_CHILD} {pid}")

    def marker(self, path: Path) -> None:
        """Register the marker of a staging that is about to be created."""
        self._tell(f"{_MARKER} {path}")

    def _tell(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("a guardian is started with a pipe to its input")
        with suppress(BrokenPipeError):  # it was killed: the next start clears up
            self._process.stdin.write(os.fsencode(line + "\n"))
            self._process.stdin.flush()


def guard(orders: Iterable[bytes]) -> None:
    """Record `orders` until they end; then stop running pipelines and remove what exists."""
    children: list[psutil.Process] = []
    markers: list[Path] = []
    for order in orders:
        what, _, rest = os.fsdecode(order).rstrip("\n").partition(" ")
        if what == _MARKER:
            markers.append(Path(rest))
        elif what == _CHILD:
            with suppress(psutil.NoSuchProcess):
                # With its start time, since process ids are reused.
                children.append(psutil.Process(int(rest)))
    _stop(children)
    for path in markers:
        marker = Marker.lock(path, create=False)
        if marker is not None:
            marker.take_down()


def _stop(children: list[psutil.Process]) -> None:
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.terminate()
    _, alive = psutil.wait_procs(children, timeout=_STOP_SECONDS)
    for child in alive:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(alive, timeout=_END_SECONDS)


def main() -> None:
    """Run the guardian's process."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    guard(sys.stdin.buffer)


if __name__ == "__main__":
    main()
