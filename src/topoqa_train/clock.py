"""Time as a dependency that tests can set."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock and monotonic clock."""

    def now(self) -> datetime:
        """Return the present time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never decreases."""
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
    """Format local time for names of runs and logs: `2026-01-31_23-59-59`."""
    return moment.astimezone().strftime("%Y-%m-%d_%H-%M-%S")


def iso(moment: datetime) -> str:
    """Format as UTC in ISO 8601 to the millisecond, as in metadata."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
