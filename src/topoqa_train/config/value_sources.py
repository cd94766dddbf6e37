"""Where each value of a config comes from: a line of a file, an override, or the default."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from topoqa_train.config import legacy
from topoqa_train.config import overrides as overriding
from topoqa_train.config.load import KIND, LoadedConfig
from topoqa_train.config.models import SECTIONS
from topoqa_train.config.yaml.reader import Location, parse_bytes
from topoqa_train.config.yaml.tree import Tree, dotted

OriginKind = Literal["default", "config", "manifest", "override"]


@dataclass(frozen=True)
class Origin:
    """Who said a value. `name` is the key or option as it was written; a default has none."""

    kind: OriginKind
    name: str | None = None
    file: Path | None = None
    line: int | None = None


@dataclass(frozen=True)
class Value:
    """One value of a config by its dotted key; data paths are absolute."""

    key: str
    value: Any
    origin: Origin


def is_flat(loaded: LoadedConfig) -> bool:
    """Whether the source is of the reference's flat layout."""
    return legacy.is_flat(_as_written(loaded))


def explained(loaded: LoadedConfig) -> tuple[Value, ...]:
    """Every value of a config in the order of the sections, and who said it.

    Of tags and options each entry is a value of its own. What has no effect is there only where
    something is said of it.
    """
    tree = _as_written(loaded)
    if legacy.is_flat(tree):
        tree, _ = legacy.structured(tree)
    for override in loaded.overrides:
        overriding.apply(tree, override)
    return tuple(
        Value(dotted(location), value, _origin(tree, location, loaded.source))
        for section, model in SECTIONS.items()
        for key in model.model_fields
        for location, value in _leaves(
            (section, key), getattr(getattr(loaded.config, section), key)
        )
        if value or section != "reference"
    )


def _as_written(loaded: LoadedConfig) -> Tree:
    return Tree.of(parse_bytes(loaded.source_bytes, loaded.source, KIND), loaded.source)


def _leaves(location: Location, value: Any) -> Iterator[tuple[Location, Any]]:  # noqa: ANN401
    if not isinstance(value, dict) or not value:
        yield location, value
        return
    for key, item in value.items():
        yield from _leaves((*location, str(key)), item)


def _origin(tree: Tree, location: Location, source: Path) -> Origin:
    place, rest = tree.place(location)
    # Where the way down leads further than anything was written, the model fills in.
    if rest and not _stands(tree, location):
        return Origin("default")
    if place.file is None:
        return Origin("override", place.key)
    kind: OriginKind = "config" if place.file == source else "manifest"
    return Origin(kind, place.key, place.file, place.line)


def _stands(tree: Tree, location: Location) -> bool:
    holder = tree.get(location[:-1])
    return isinstance(holder, dict) and location[-1] in holder
