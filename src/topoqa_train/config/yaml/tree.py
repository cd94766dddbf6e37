"""A tree of plain data in which the origin of every written value is known."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topoqa_train.config.yaml.reader import Document, Location
from topoqa_train.errors import Problem


@dataclass(frozen=True)
class Place:
    """Where a value was written: a line of a file, or an override (`file` may then be None).

    `key` is the name as it was written; relative paths in the value start from `base`.
    """

    key: str
    base: Path
    file: Path | None = None
    line: int | None = None

    def problem(self, message: str, below: str = "") -> Problem:
        """Return a problem of this value, or of the key `below` it."""
        return Problem(message, self.key + below, self.line, self.file)


@dataclass
class Tree:
    """Nested mappings and lists with the `Place` of every value that was written.

    `names` holds the written name of a location where that is not its dotted path.
    """

    data: dict[str, Any]
    places: dict[Location, Place]
    names: Mapping[Location, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Document, file: Path) -> Tree:
        """Build the tree of a file; its relative paths start from the file's folder."""
        places = {
            location: Place(dotted(location), file.parent, file, line if location else None)
            for location, line in document.lines.items()
        }
        return cls(document.data, places)

    def get(self, location: Location) -> Any:  # noqa: ANN401
        """Return the value at `location`, or None if there is none."""
        value: Any = self.data
        for part in location:
            if isinstance(value, dict) and isinstance(part, str):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def has(self, location: Location) -> bool:
        """Return whether a value, which may be null, was written at `location`."""
        holder, key = self.get(location[:-1]), location[-1]
        if isinstance(holder, list):
            return isinstance(key, int) and key < len(holder)
        return isinstance(holder, dict) and key in holder

    def set(self, location: Location, value: Any, place: Place) -> None:  # noqa: ANN401
        """Replace the value at `location`; mappings on the way to it are created."""
        holder: Any = self.data
        for depth, (part, after) in enumerate(itertools.pairwise(location), 1):
            child = holder[part] if isinstance(part, int) else holder.get(part)
            if not isinstance(child, list if isinstance(after, int) else dict):
                # An override may replace a wrong or empty value by a mapping.
                child = {}
                holder[part] = child
                self.places[location[:depth]] = place
            holder = child
        # One override is set in the trees of many jobs; none may change the value of another.
        holder[location[-1]] = copy.deepcopy(value)
        depth = len(location)
        # The lines of what was written below belong to the replaced value.
        for below in [where for where in self.places if where[:depth] == location]:
            del self.places[below]
        self.places[location] = place

    def place(self, location: Location) -> tuple[Place, Location]:
        """Return the nearest place at or above `location`, and the rest of the way from there."""
        for depth in range(len(location), 0, -1):
            found = self.places.get(location[:depth])
            if found is not None:
                return found, location[depth:]
        return self.places[()], location

    def problem(self, location: Location, message: str) -> Problem:
        """Return a problem at `location` that names the line or override that wrote the value."""
        place, rest = self.place(location)
        if place.file is None or not rest:
            return place.problem(message)
        if not place.key:
            return place.problem(message, self.names.get(location) or dotted(location))
        return place.problem(message, f".{dotted(rest)}")


def dotted(location: Location) -> str:
    """Return `('jobs', 0, 'name')` as `jobs[0].name`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
