"""Time as a dependency, so that tests set it and nothing asserts on the wall clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What code here needs to know of time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()


def stamp(moment: datetime) -> str:
    """Local time as it stands in names of runs and logs: `2026-01-31_23-59-59`."""
    return moment.astimezone().strftime("%Y-%m-%d_%H-%M-%S")


def iso(moment: datetime) -> str:
    """UTC, ISO 8601, to the millisecond, as it stands in metadata."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
