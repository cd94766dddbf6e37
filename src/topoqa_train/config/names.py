"""Names that become directories: of runs and of jobs."""

from __future__ import annotations

import re
from typing import Any

MAX_LENGTH = 128
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
# Both stand beside the runs, and some file systems do not tell `Latest` from `latest`.
_TAKEN = frozenset({"latest", "history"})
# What `problem_of_name` finds nothing wrong with, as JSON Schema.
NAME_SCHEMA: dict[str, Any] = {
    "pattern": f"^{_PLAIN.pattern}$",
    "maxLength": MAX_LENGTH,
    "not": {
        "type": "string",
        "pattern": "^({})$".format(
            "|".join("".join(f"[{c.upper()}{c}]" for c in name) for name in sorted(_TAKEN))
        ),
    },
}


def problem_of_name(name: str) -> str | None:
    """What keeps `name` from being one plain directory name, or None if nothing does."""
    if not _PLAIN.fullmatch(name):
        return (
            f"{name[:MAX_LENGTH]!r} is not a plain name: letters, digits and . _ + -, "
            "starting with a letter or digit"
        )
    if len(name) > MAX_LENGTH:
        return f"a name of {len(name)} characters is too long; {MAX_LENGTH} is the most"
    if name.casefold() in _TAKEN:
        return f"'{name}' is what a run root keeps for itself"
    return None


def plain_name(text: str) -> str:
    """`text` (a config file's stem, say) as a plain name: what is not allowed becomes `_`."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:MAX_LENGTH]
    return name if problem_of_name(name) is None else f"run_{name}"[:MAX_LENGTH]
