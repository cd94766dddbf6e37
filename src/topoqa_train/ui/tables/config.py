"""Table of a config: key, value, source of the value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from topoqa_train.config.value_sources import Value, ValueSource
from topoqa_train.errors import shown_path
from topoqa_train.ui import formatting


def config_table(title: Sequence[str], values: Sequence[Value], here: Path) -> RenderableType:
    """Return a table of `values` below `title`; defaults are dim, paths relative to `here`."""
    headings = ("key", "value", "from")
    table = formatting.table(headings, left=headings, wrapped=headings[1:])
    # Long origins must not squeeze the values, which are what the user looks for.
    table.columns[-1].max_width = 24
    for value in values:
        style = "dim" if value.source.kind == "default" else ""
        cells = (value.key, _value(value.value, here), _source(value.key, value.source))
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return Group(*map(Text, title), Text(), table)


def _value(value: Any, here: Path) -> str:  # noqa: ANN401 - any value of a config
    if value is None:
        return "-"
    if isinstance(value, Path):
        return shown_path(value, here)
    if isinstance(value, bool | dict | list | tuple):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _source(key: str, source: ValueSource) -> str:
    if source.kind == "default":
        return "default"
    if source.kind == "override":
        return "-o"
    line = f"line {source.line}"
    if source.kind == "manifest":
        return f"manifest, {line}"
    # A flat config has other names for its keys: show them.
    same = source.name is None or key == source.name or key.startswith(f"{source.name}.")
    return line if same else f"{line}: {source.name}"
