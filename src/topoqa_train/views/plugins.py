"""Installed plugins and whether they load, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Installed:
    """One entry point.

    `error` is why it does not load, `hidden_by` the distribution whose plugin of the same name is
    used instead. `seconds` is the time its import took, None if it was not imported.
    """

    group: str
    kind: str
    name: str
    value: str
    distribution: str
    version: str | None
    line: str
    state: Literal["ok", "broken", "hidden"]
    error: str | None = None
    hidden_by: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class PluginReport:
    """All plugins; why entry points of distributions can't be read; and what to do about it all."""

    plugins: list[Installed]
    damaged: dict[str, str]
    hints: list[str]
