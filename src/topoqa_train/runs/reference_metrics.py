"""The metrics of the reference's runs: Lightning's tables, two rows an epoch, made one."""

from __future__ import annotations

import re
from pathlib import Path

# Where a training of the reference, or Lightning by itself, leaves its tables.
_PATTERNS = (
    "*_training/version_*/metrics.csv",
    "lightning_logs/version_*/metrics.csv",
    "metrics/version_*/metrics.csv",
    "metrics/*version_*.csv",
    "metrics/metrics.csv",
    "version_*/metrics.csv",
    "metrics.csv",
)
_VERSION = re.compile(r"version_(\d+)")


def tables(root: Path) -> list[Path]:
    """The tables of the run in `root`, those of later versions behind."""
    found = {file for pattern in _PATTERNS for file in root.glob(pattern) if file.is_file()}
    return sorted(found, key=lambda file: (_version(file, root), str(file)))


def _version(file: Path, root: Path) -> int:
    numbers = _VERSION.findall(str(file.relative_to(root)))
    return int(numbers[-1]) if numbers else -1
