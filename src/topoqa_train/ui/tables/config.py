"""A config as a table: key, value, where it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from topoqa_train.config.value_sources import Origin, Value
from topoqa_train.ui.tables.leaderboard import shown_path

_UNSET = "-"


def config_table(title: Sequence[str], values: Sequence[Value], here: Path) -> RenderableType:
    """`values` under lines that name the config; defaults are dim, paths relative to `here`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("key", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold", max_width=24)
    for value in values:
        style = "dim" if value.origin.kind == "default" else ""
        cells = (value.key, _value(value.value, here), _from(value.key, value.origin))
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return Group(*map(Text, title), Text(), table)


def _value(value: Any, here: Path) -> str:  # noqa: ANN401 - any value of a config
    if value is None:
        return _UNSET
    if isinstance(value, Path):
        return str(shown_path(value, here))
    if isinstance(value, bool | dict | list | tuple):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _from(key: str, origin: Origin) -> str:
    if origin.kind == "default":
        return "default"
    if origin.kind == "override":
        return "-o"
    place = f"line {origin.line}"
    if origin.kind == "manifest":
        return f"manifest, {place}"
    # A flat config calls its keys otherwise.
    known = origin.name is None or key == origin.name or key.startswith(f"{origin.name}.")
    return place if known else f"{place}: {origin.name}"
