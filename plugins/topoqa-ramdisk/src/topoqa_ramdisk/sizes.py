"""Amounts of memory as people write and read them."""

from __future__ import annotations

import math
import re

_UNITS: dict[str, int] = {
    "": 1,
    "b": 1,
    **{f"{letter}{ending}": 1024**power
       for power, letter in enumerate("kmgt", 1) for ending in ("", "ib")},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_SHOWN = ("bytes", "KiB", "MiB", "GiB", "TiB")


def parse_size(value: object) -> int:
    """Bytes of `2GiB`, `512 MiB`, `1.5G`, `100MB` (powers of ten) or a plain number of bytes.

    Raises:
        ValueError: it is no such thing.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    factor = _UNITS.get(found[2].lower()) if found else None
    if found is None or factor is None:
        raise ValueError(f"{value!r} is no size; 2GiB and 512MiB are")
    return math.ceil(float(found[1]) * factor)


def shown_size(count: int) -> str:
    """`812 bytes`, `41.2 MiB`."""
    value, unit = float(count), _SHOWN[0]
    for unit in _SHOWN:
        if value < 1024 or unit == _SHOWN[-1]:
            break
        value /= 1024
    return f"{count} {unit}" if unit == _SHOWN[0] else f"{value:.1f} {unit}"
