"""Where each value of a config comes from: a line of a file, an override, or the default."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from topoqa_train.config import overrides as overriding
from topoqa_train.config.load import LoadedConfig
from topoqa_train.config.models import SECTIONS
from topoqa_train.config.yaml.reader import Location
from topoqa_train.config.yaml.tree import Tree, dotted

SourceKind = Literal["default", "config", "manifest", "override"]


@dataclass(frozen=True)
class ValueSource:
    """Where a value was set. `name` is the key or option as it was written; a default has none."""

    kind: SourceKind
    name: str | None = None
    file: Path | None = None
    line: int | None = None


@dataclass(frozen=True)
class Value:
    """One value of a config by its dotted key; data paths are absolute."""

    key: str
    value: Any
    source: ValueSource


def is_flat(loaded: LoadedConfig) -> bool:
    """Return whether the source has the flat layout of the previous pipeline."""
    return bool(loaded.source_tree().names)


def values_of(loaded: LoadedConfig) -> tuple[Value, ...]:
    """Return every value of a config in the order of the sections, with its source.

    Each entry of tags and options is a value of its own. Keys without effect are listed only if
    they were set.
    """
    tree = loaded.source_tree()
    for override in loaded.overrides:
        overriding.apply(tree, override)
    return tuple(
        Value(dotted(location), value, _source(tree, location, loaded.source))
        for name, section in loaded.config
        if name in SECTIONS
        for key, held in section
        for location, value in _leaves((name, key), held)
        if value or name != "reference"
    )


def _leaves(location: Location, value: Any) -> Iterator[tuple[Location, Any]]:  # noqa: ANN401
    if not isinstance(value, dict) or not value:
        yield location, value
        return
    for key, item in value.items():
        yield from _leaves((*location, str(key)), item)


def _source(tree: Tree, location: Location, source: Path) -> ValueSource:
    place, rest = tree.place(location)
    # A place above a location that was not written belongs to its section: the model set a default.
    if rest and not tree.has(location):
        return ValueSource("default")
    # Overrides of a manifest have its file and line; those of a command or variable have none.
    if place.file is None:
        return ValueSource("override", place.key)
    kind: SourceKind = "config" if place.file == source else "manifest"
    return ValueSource(kind, place.key, place.file, place.line)
