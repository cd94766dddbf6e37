"""Values of hand-edited or old documents: numbers, switches and times in their usual spellings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})_(\d{2})-(\d{2})-(\d{2})(?!\d)")
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def number(value: object) -> float | None:
    """Return a finite number, or the one that a text spells."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def switch(value: object) -> bool | None:
    """Return a boolean, or the one that a text spells."""
    if isinstance(value, bool):
        return value
    return _SWITCHES.get(value.strip().lower()) if isinstance(value, str) else None


def moment(value: object) -> datetime | None:
    """Return an ISO 8601 time in UTC; without a zone it is local time of this machine."""
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def moment_in_name(name: str) -> datetime | None:
    """Return the time in the name of a run, `..._2026-01-31_23-59-59`."""
    found = _STAMP.search(name)
    return moment("{}T{}:{}:{}".format(*found.groups())) if found else None


def section(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a mapping inside `document`, empty if it is missing or something else."""
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def is_inside(path: Path, folder: Path) -> bool:
    """Return whether `path` exists and stays in `folder` when all links are followed."""
    try:
        return path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # RuntimeError: a loop of links
        return False
