"""What is to be deleted or was moved: plain data that workflows make and screens show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Doomed:
    """A run that is to be deleted. `ended` is when it completed, failed or was last written."""

    run_id: str
    root: Path
    status: str
    ended: datetime
    size: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Spared:
    """A run that was asked for and stays, and why."""

    run_id: str
    why: str


@dataclass(frozen=True)
class CleanPlan:
    """What a cleaning comes to; `leftovers` are folders that cut-off deletions left, with sizes.

    `notes` are lines that a reader must not miss.
    """

    root: Path
    doomed: tuple[Doomed, ...]
    spared: tuple[Spared, ...]
    leftovers: tuple[tuple[Path, int], ...]
    notes: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes that it makes free."""
        return sum(run.size for run in self.doomed) + sum(size for _, size in self.leftovers)
