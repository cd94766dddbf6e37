"""Ctrl-C and SIGTERM as flags: asked once, stop after the batch; asked twice, stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class StopSignals:
    """What arrived so far. `first` is the signal that asked first."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.count = 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: only counts."""
        del frame
        if self.first is None:
            self.first = number
        self.count += 1


@contextmanager
def caught() -> Iterator[StopSignals]:
    """Count SIGINT and SIGTERM instead of dying of them; the old handlers come back after.

    Off the main thread no handler can be set: the count then stays at nought.
    """
    signals = StopSignals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signals.note) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def passed_on(interrupt: Callable[[], None], terminate: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` on SIGINT and `terminate` on SIGTERM, at once, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    actions = {signal.SIGINT: interrupt, signal.SIGTERM: terminate}
    before = {
        number: signal.signal(number, lambda *_, act=action: act())
        for number, action in actions.items()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
