"""Ctrl-C, SIGTERM and a lost terminal as flags: once, stop after the batch; twice, stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Sent when a terminal is closed or a connection is lost; Windows has none.
HANG_UP = getattr(signal, "SIGHUP", None)


def stopping() -> tuple[int, ...]:
    """The signals that ask to stop: not a lost terminal for who was started with `nohup`."""
    ignored = HANG_UP is None or signal.getsignal(HANG_UP) == signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored or HANG_UP is None else (HANG_UP,)))


class StopSignals:
    """What arrived so far. `first` is the signal that asked first."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.count = 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: only counts."""
        del frame
        if self.first is not None and number == HANG_UP:
            return  # shell and kernel both tell of it; nobody is impatient
        if self.first is None:
            self.first = number
        self.count += 1


@contextmanager
def caught() -> Iterator[StopSignals]:
    """Count what asks to stop instead of dying of it; the old handlers come back after.

    Off the main thread no handler can be set: the count then stays at nought.
    """
    signals = StopSignals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    before = {number: signal.signal(number, signals.note) for number in stopping()}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def passed_on(interrupt: Callable[[], None], terminate: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` on Ctrl-C, `terminate` on what else asks to stop, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        (interrupt if number == signal.SIGINT else terminate)()

    before = {number: signal.signal(number, note) for number in stopping()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
