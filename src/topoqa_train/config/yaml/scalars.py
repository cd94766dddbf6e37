"""Values of plain YAML scalars by the core schema of YAML 1.2, and how messages show values.

`5e-3` is a number; `yes`, `on` and `2026-01-31` are text. Underscores between digits are accepted,
as in Python.
"""

from __future__ import annotations

import math
import re
from typing import Any

Scalar = str | int | float | bool | None

_NULL = re.compile(r"(?:~|null|Null|NULL|)")
_TRUE = re.compile(r"(?:true|True|TRUE)")
_FALSE = re.compile(r"(?:false|False|FALSE)")
_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))")
# Characters that a YAML file cannot hold; escapes can produce them, but not write them again.
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
# Python converts long integers in quadratic time, and no key takes a number of this length.
_MAX_DIGITS = 100
_SHOWN = 40


def resolve(text: str) -> Scalar:
    """Return the value of an unquoted scalar.

    Raises:
        ValueError: the number is not finite, or has more than a hundred digits.
    """
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a finite number")
    integer, based = _INTEGER.fullmatch(text), _BASED.fullmatch(text)
    if not (integer or based or _FLOAT.fullmatch(text)):
        return text
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"{shorten(text)} has too many digits")
    if integer:
        return int(text.replace("_", ""))
    return int(text, 0) if based else _finite(text)


def _finite(text: str) -> float:
    value = float(text.replace("_", ""))
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value


def is_printable(text: str) -> bool:
    """Return whether a YAML file can hold `text`: no control characters, no lone surrogates."""
    return _UNPRINTABLE.search(text) is None


def shorten(text: str, most: int = _SHOWN) -> str:
    """Return `text` cut to `most` characters, by default to what fits in a message."""
    return text if len(text) <= most else text[: most - 3] + "..."


def described(value: Any) -> str:  # noqa: ANN401
    """Return `value` as messages show it: `'fast'`, `true`, `a list`, `nothing`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{shorten(value)}'"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return shorten(str(value))
