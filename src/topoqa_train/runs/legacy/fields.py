"""Values of the reference's documents, whatever their spelling: looked for, never insisted on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2})[_T ](\d{2})[-:](\d{2})[-:](\d{2})(?!\d)")
_CLOCK_TIME = re.compile(
    r"(?:(?P<days>\d+(?:\.\d+)?) ?d(?:ays?)?,? *)?"
    r"(?:(?P<hours>\d+):)?(?P<minutes>\d{1,6}):(?P<seconds>\d{1,2}(?:\.\d+)?)"
)
_UNITS = (
    r"(?:(?P<days>\d+(?:\.\d+)?) ?d(?:ays?)?)?[, ]*"
    r"(?:(?P<hours>\d+(?:\.\d+)?) ?h(?:(?:ou)?rs?)?)?[, ]*"
    r"(?:(?P<minutes>\d+(?:\.\d+)?) ?m(?:in(?:ute)?s?)?)?[, ]*"
    r"(?:(?P<seconds>\d+(?:\.\d+)?) ?s(?:ec(?:ond)?s?)?)?"
)
_SECONDS = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
_DEPTH = 8
# A number of seconds beyond the year 5138 is one of milliseconds.
_MILLISECONDS = 1e11
# And one before the year 1973 is a number of something else.
_EARLIEST = 1e8
_YES = ("true", "yes", "on", "1")
_NO = ("false", "no", "off", "0", "none", "null", "")


def number(value: object) -> float | None:
    """A finite number, or a text of one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def truth(value: object) -> bool | None:
    """True or false, or a text or number that means one; None for anything else."""
    if isinstance(value, int | float):
        return bool(value) if value in (0, 1) else None
    text = value.strip().lower() if isinstance(value, str) else None
    if text in _YES:
        return True
    return False if text in _NO else None


def moment(value: object) -> datetime | None:
    """A time in ISO 8601, in other usual spellings, or in seconds since 1970; in UTC.

    A time without a zone is taken for one of this machine.
    """
    if isinstance(value, Mapping):
        return next(filter(None, map(moment, value.values())), None)
    try:
        seconds = number(value)
        if seconds is not None:
            seconds = seconds / 1000 if abs(seconds) >= _MILLISECONDS else seconds
            return datetime.fromtimestamp(seconds, UTC) if seconds >= _EARLIEST else None
        return _spelled(value.strip()) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _spelled(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass
    found = stamp(text)
    return found or datetime.strptime(text, "%a %b %d %H:%M:%S %Y").astimezone(UTC)


def stamp(text: str) -> datetime | None:
    """The local time in the name of a run, `..._2026-01-31_23-59-59`; None where there is none."""
    found = _STAMP.search(text)
    if found is None:
        return None
    try:
        iso = f"{found[1]}T{found[2]}:{found[3]}:{found[4]}"
        return datetime.fromisoformat(iso).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def duration(value: object) -> float | None:
    """Seconds: a number, `1:02:03`, `2 days, 1:02:03`, `1h 2m 3s`; None for anything else."""
    seconds = number(value)
    if seconds is None and isinstance(value, str):
        text = value.strip().lower()
        found = _CLOCK_TIME.fullmatch(text) or re.fullmatch(_UNITS, text)
        parts = {unit: part for unit, part in found.groupdict().items() if part} if found else {}
        if parts:
            seconds = math.fsum(float(part) * _SECONDS[unit] for unit, part in parts.items())
    return seconds if seconds is not None and 0 <= seconds < math.inf else None


def walk(value: object, depth: int = _DEPTH) -> Iterator[tuple[str, Any]]:
    """Every key and value of nested mappings, those on top first; lists are not looked into."""
    if not isinstance(value, Mapping) or not depth:
        return
    for key, item in value.items():
        yield str(key), item
    for item in value.values():
        yield from walk(item, depth - 1)
