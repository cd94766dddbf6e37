"""Names of runs and jobs, which become names of directories."""

from __future__ import annotations

import re
from typing import Any

MAX_LENGTH = 128
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
# Entries of a run root. Some file systems do not distinguish `Latest` from `latest`.
_RESERVED = ("history", "latest")
# The names without a problem, as JSON Schema; its patterns have no flag to ignore case.
NAME_SCHEMA: dict[str, Any] = {
    "pattern": f"^{_PLAIN.pattern}$",
    "maxLength": MAX_LENGTH,
    "not": {
        "type": "string",
        "pattern": "^({})$".format(
            "|".join("".join(f"[{c.upper()}{c}]" for c in name) for name in _RESERVED)
        ),
    },
}


def problem_of_name(name: str) -> str | None:
    """Return why `name` cannot be the name of a directory of a run, or None if it can."""
    if not _PLAIN.fullmatch(name):
        return (
            f"{name[:MAX_LENGTH]!r} is not a plain name: letters, digits and . _ + -, "
            "starting with a letter or digit"
        )
    if len(name) > MAX_LENGTH:
        return f"a name of {len(name)} characters is too long; the limit is {MAX_LENGTH}"
    if name.casefold() in _RESERVED:
        return f"'{name}' is a reserved name"
    return None


def plain_name(text: str) -> str:
    """Return `text`, such as the stem of a config file, with `_` for characters not allowed."""
    name = re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:MAX_LENGTH]
    return name if problem_of_name(name) is None else f"run_{name}"[:MAX_LENGTH]
