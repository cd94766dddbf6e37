"""Suggest the known name that a user probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST_LIST = 12


def nearest_names(
    word: str, known: Iterable[str], *, most: int = 1, cutoff: float = 0.6
) -> list[str]:
    """Return up to `most` names of `known` that are similar to `word`, the best first."""
    names = sorted(known)
    same = [name for name in names if name.casefold() == word.casefold()]
    return (same or difflib.get_close_matches(word, names, n=most, cutoff=cutoff))[:most]


def did_you_mean(word: str, known: Iterable[str], *, list_known: bool = False) -> str:
    """Return the end of a message about an unknown `word`: a guess, or with `list_known` all names.

    All names are listed only if there is no guess and they are few.
    """
    names = sorted(known)
    near = nearest_names(word, names)
    if near:
        return f"; did you mean '{near[0]}'?"
    if list_known and 0 < len(names) <= _LONGEST_LIST:
        return f"; known: {', '.join(names)}"
    return ""
