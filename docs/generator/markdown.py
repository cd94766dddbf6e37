"""Small parts of a Markdown page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

NOTE = "<!-- Made by docs/generate.py from the code: change it there, then run that. -->"
_CODE = re.compile(r"(`+[^`]*`+)")


def page(title: str, *parts: str) -> str:
    """A whole page; empty parts are left out."""
    return "\n\n".join([NOTE, f"# {title}", *(part.strip("\n") for part in parts if part)]) + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def code(text: object) -> str:
    """`text` as it is typed."""
    return f"`{text}`"


def prose(text: str) -> str:
    """Plain text, as in a docstring or a help, with what Markdown would misread made safe."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([<>*\[\]$])", r"\\\1", part) for part in parts
    )


def paragraphs(text: str | None) -> list[str]:
    """The paragraphs of a docstring, indentation gone, each one line."""
    blocks = re.split(r"\n\s*\n", (text or "").strip())
    return [" ".join(block.split()) for block in blocks if block.strip()]


def shell(line: str) -> str:
    """One command line."""
    return f"```shell\n{line}\n```"


def yaml_value(value: Any) -> str:  # noqa: ANN401 - any default of a config
    """A default as one writes it in YAML."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, dict):
        return code("{}") if not value else code(value)
    if isinstance(value, list | tuple):
        return code("[]") if not value else code(list(value))
    return code(value)


def usage(line: str) -> str:
    """The form of a command line, not to be typed as it stands."""
    return f"```text\n{line}\n```"
