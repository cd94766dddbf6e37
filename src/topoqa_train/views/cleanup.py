"""What `runs clean` deletes and keeps, as plain data."""

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
    """A run that the request fits but that is kept, and why."""

    run_id: str
    why: str


@dataclass(frozen=True)
class CleanPlan:
    """What would be deleted; `leftovers` are folders of interrupted deletions, with sizes.

    `notes` are lines that a reader must see.
    """

    root: Path
    doomed: tuple[Doomed, ...]
    spared: tuple[Spared, ...]
    leftovers: tuple[tuple[Path, int], ...]
    notes: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes that the deletion frees."""
        return sum(run.size for run in self.doomed) + sum(size for _, size in self.leftovers)
