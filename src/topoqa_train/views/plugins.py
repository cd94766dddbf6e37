"""What is installed beside the program itself: plain data that a workflow makes and ui shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PluginState = Literal["ok", "broken", "hidden"]


@dataclass(frozen=True)
class Installed:
    """One entry point, after it was tried.

    `fault` says why it is broken, `hidden_by` whose plugin of the same name is used in its place.
    `seconds` is how long it took to import, None for what was not.
    """

    group: str
    kind: str
    name: str
    value: str
    distribution: str
    version: str | None
    line: str
    state: PluginState
    fault: str | None = None
    hidden_by: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class PluginReport:
    """All plugins of all groups; `damaged` are distributions whose entry points can't be read.

    `hints` say what to do about what is broken.
    """

    plugins: tuple[Installed, ...]
    damaged: Mapping[str, str]
    hints: tuple[str, ...] = ()
