"""Signals while a benchmark runs: passed on to the pipeline, acted on where it is safe."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from topoqa_train.errors import InterruptedRunError, TerminatedRunError

# A terminal that was closed ends the command as politely as `kill` does.
_PASSED_ON = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,
}


class Stop:
    """What was asked for so far, and the pipeline that has to hear of it."""

    def __init__(self) -> None:
        self.first: int | None = None
        self._child: subprocess.Popen[Any] | None = None
        self._passed = 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """Signal handler."""
        del frame
        passed_on = _PASSED_ON[signal.Signals(number)]
        if self.first is None:
            self.first = passed_on
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.send_signal(passed_on)
            self._passed += 1

    def check(self) -> None:
        """Raise what was asked for, if anything was.

        Raises:
            InterruptedRunError, TerminatedRunError: it was.
        """
        if self.first == signal.SIGTERM:
            raise TerminatedRunError("terminated")
        if self.first is not None:
            raise InterruptedRunError("interrupted")

    @contextmanager
    def passed_to(self, child: subprocess.Popen[Any]) -> Iterator[None]:
        """Pass signals on to `child` while the block lasts, one that came just before too."""
        self._passed, self._child = 0, child
        try:
            # Not twice: asked twice, a pipeline stops in the middle of a batch.
            if self.first is not None and not self._passed:
                child.send_signal(self.first)
            yield
        finally:
            self._child = None


@contextmanager
def caught() -> Iterator[Stop]:
    """Note SIGINT, SIGTERM and SIGHUP instead of dying of them; the old handlers come back."""
    stop = Stop()
    # Under nohup a closed terminal is nothing to stop for.
    wanted = [number for number in _PASSED_ON if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop.note) for number in wanted}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
