"""Plain data on the way to a model: every value knows who wrote it and where."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train.config.yaml.reader import Document, Location
from topoqa_train.errors import Problem


@dataclass(frozen=True)
class Place:
    """Who wrote a value: a line of a file, or an override (then `file` may be None).

    `key` is the name as it was written; relative paths in the value start from `base`.
    """

    key: str
    base: Path
    file: Path | None = None
    line: int | None = None

    def problem(self, message: str, below: str = "") -> Problem:
        """A fault of this value, or of the key `below` it."""
        return Problem(message, self.key + below, self.line, self.file)


class Draft:
    """Nested mappings and lists with the `Place` of every value that was written."""

    def __init__(
        self,
        data: dict[str, Any],
        places: dict[Location, Place],
        names: Mapping[Location, str] | None = None,
    ) -> None:
        """`names` holds what the writer calls a location where that is not its dotted path."""
        self.data = data
        self.places = places
        self.names: Mapping[Location, str] = names or {}

    @classmethod
    def of(cls, document: Document, file: Path) -> Draft:
        """A draft of a file's content; its relative paths start from the file's folder."""
        base = file.parent
        places = {
            location: Place(dotted(location), base, file, line if location else None)
            for location, line in document.lines.items()
        }
        return cls(copy.deepcopy(document.data), places)

    def get(self, location: Location) -> Any:  # noqa: ANN401
        """The value at `location`, or None where there is none."""
        value: Any = self.data
        for part in location:
            if isinstance(value, dict) and isinstance(part, str):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def set(self, location: Location, value: Any, place: Place) -> None:  # noqa: ANN401
        """Put `value` at `location`, over what is there, with mappings on the way as needed."""
        holder: Any = self.data
        for depth, (part, after) in enumerate(itertools.pairwise(location), 1):
            child = holder[part] if isinstance(part, int) else holder.get(part)
            if not isinstance(child, list if isinstance(after, int) else dict):
                child = {}
                holder[part] = child
                self.places[location[:depth]] = place
            holder = child
        holder[location[-1]] = copy.deepcopy(value)
        depth = len(location)
        for below in [where for where in self.places if where[:depth] == location]:
            del self.places[below]
        self.places[location] = place

    def place(self, location: Location) -> tuple[Place, Location]:
        """The nearest place at or above `location`, and the rest of the way from there."""
        for depth in range(len(location), 0, -1):
            found = self.places.get(location[:depth])
            if found is not None:
                return found, location[depth:]
        return self.places[()], location

    def name(self, location: Location) -> str:
        """What the writer of this file calls `location`."""
        return self.names.get(location) or dotted(location)

    def problem(self, location: Location, message: str) -> Problem:
        """A fault at `location`, laid to who wrote it."""
        place, rest = self.place(location)
        if place.file is None:
            return place.problem(message)
        if not place.key:
            return place.problem(message, self.name(location))
        return place.problem(message, f".{dotted(rest)}" if rest else "")


def dotted(location: Location) -> str:
    """`('jobs', 0, 'name')` as `jobs[0].name`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
