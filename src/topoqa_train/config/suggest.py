"""The nearest known name to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_NEAR = 0.6
_FEW = 12


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like `word`, or None if none is like it."""
    names = sorted(known)
    same = [name for name in names if name.casefold() == word.casefold()]
    matches = same or difflib.get_close_matches(word, names, n=1, cutoff=_NEAR)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """How to end a sentence on an unknown `word`: a guess, the few names there are, or nothing."""
    names = sorted(known)
    near = nearest(word, names)
    if near is not None:
        return f"; did you mean '{near}'?"
    if 0 < len(names) <= _FEW:
        return f"; known: {', '.join(names)}"
    return ""
