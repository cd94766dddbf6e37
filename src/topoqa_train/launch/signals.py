"""Ctrl-C, SIGTERM and a lost terminal as flags: once, stop after the batch; twice, stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Sent when a terminal is closed or a connection is lost; Windows has none.
HANG_UP = getattr(signal, "SIGHUP", None)
_Handler = Callable[[int, FrameType | None], None]


def stopping() -> tuple[int, ...]:
    """Return the signals that ask to stop; a lost terminal is none of them under `nohup`."""
    ignored = HANG_UP is None or signal.getsignal(HANG_UP) == signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored or HANG_UP is None else (HANG_UP,)))


class StopSignals:
    """Number of signals received so far, and the first one."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.count = 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """Count a signal; a handler must do no more."""
        del frame
        if self.first is not None and number == HANG_UP:
            return  # shell and kernel may both send it; that is not a second request
        if self.first is None:
            self.first = number
        self.count += 1


@contextmanager
def caught() -> Iterator[StopSignals]:
    """Count the signals that ask to stop instead of dying from them."""
    signals = StopSignals()
    with _handled(signals.note):
        yield signals


@contextmanager
def passed_on(interrupt: Callable[[], None], terminate: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` on Ctrl-C and `terminate` on the other signals that ask to stop."""
    with _handled(lambda number, _: (interrupt if number == signal.SIGINT else terminate)()):
        yield


@contextmanager
def _handled(handler: _Handler) -> Iterator[None]:
    """Install a handler and restore the old ones; Python allows that on the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in stopping()}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
