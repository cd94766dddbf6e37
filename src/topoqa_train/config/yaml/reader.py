"""YAML files to plain data, each value with the line it stands on.

Read from the parser's events, not by a YAML constructor: no tag can make an object, and nesting,
aliases and size are bounded before anything is built.
"""

from __future__ import annotations

import errno
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from topoqa_train import bounded_read
from topoqa_train.config.yaml.errors import invalid, shown
from topoqa_train.config.yaml.scalars import Scalar, is_printable, resolve, shorten
from topoqa_train.errors import ConfigError, Problem

MAX_BYTES = 1 << 20
MAX_LINE = 1 << 16
MAX_NODES = 20_000
MAX_DEPTH = 32

Location = tuple[str | int, ...]
_CORE_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "seq", "map")
}
_TEXT_TAGS = {"tag:yaml.org,2002:str", "!"}
_MERGE = "<<"
# What ruamel.yaml says of the commonest slips, and what helps. For the first three the line that
# matters is where the thing began, not where it was missed.
_FROM_ITS_START = ("'<stream end>'", "unexpected end of stream", "could not find expected ':'")
_PLAINER = (
    (r"expected .*but got '<stream end>'", "a bracket that is never closed"),
    (r"expected <block end>, but found .*", "a wrong indent, or a quote or bracket too many"),
    (r"found unexpected end of stream", "a quote that is never closed"),
    (r"could not find expected ':'", "a key without its colon"),
    (
        r"mapping values are not allowed here",
        "a colon too many, or a wrong indent (put quotes round a value with ': ' in it)",
    ),
    (r"found character '\\t' that cannot start any token", "a tab; indent with spaces"),
    (
        r"found character '(.)' that cannot start any token",
        r"a value can't start with \1 (put quotes round it)",
    ),
)


@dataclass(frozen=True)
class Document:
    """The plain data of one YAML document, and the line (from 1) of every key and list item."""

    data: Any
    lines: dict[Location, int]


def read_bytes(path: Path, kind: str) -> bytes:
    """The content of a `kind` ('config', 'manifest') of at most `MAX_BYTES`, or a `ConfigError`."""
    try:
        status = path.stat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_BYTES:
            return bounded_read.content(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{shown(path)} can't be read: {_reason(error)}", []) from error
    if stat.S_ISDIR(status.st_mode):
        raise ConfigError(
            f"{shown(path)} is a folder; a {kind} is a YAML file", [], hint=_inside(path)
        )
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{shown(path)} is not a regular file", [])
    raise ConfigError(f"{shown(path)} is too large for a {kind}: 1 MiB is the most", [])


def parse_bytes(content: bytes, path: Path, kind: str) -> Document:
    """The mapping that a `kind` file holds.

    Raises:
        ConfigError: it is not UTF-8, not YAML, empty, not a mapping, or beyond the bounds; with
            every fault that does not hide the rest (doubled keys, foreign tags).
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise invalid(path, kind, [Problem("is not text in UTF-8", line=line, file=path)]) from None
    document, faults = parse_text(text)
    problems = [Problem(fault.message, fault.key, fault.line, path) for fault in faults]
    if not problems and document is None:
        problems = [Problem("the file is empty", file=path)]
    elif not problems and document is not None and not isinstance(document.data, dict):
        problems = [Problem("has to hold sections (`name:` and indented keys)", line=1, file=path)]
    if problems or document is None:
        raise invalid(path, kind, problems)
    return document


def parse_text(text: str) -> tuple[Document | None, list[Problem]]:
    """One YAML document (None if there is nothing in it) and the faults found in it."""
    builder = _Builder(text)
    try:
        _check_lines(text)
        node = builder.document()
    except _Stop as stop:
        return None, [*builder.faults, stop.problem]
    if node is None:
        return None, builder.faults
    lines: dict[Location, int] = {}
    return Document(_plain(node, (), lines), lines), builder.faults


def _check_lines(text: str) -> None:
    # The scanner's time goes with the square of some lines' length.
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise _Stop(f"a line of more than {MAX_LINE} characters", number)


class _Stop(Exception):  # noqa: N818 - never leaves this module
    """Reading can't go on."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(message, line=line)


@dataclass(frozen=True, slots=True)
class _Node:
    value: Scalar | list[_Node] | dict[str, tuple[int, _Node]]
    line: int
    size: int


class _Builder:
    def __init__(self, text: str) -> None:
        self.faults: list[Problem] = []
        self._events = _events(text)
        self._anchors: dict[str, _Node] = {}
        self._nodes = 0

    def document(self) -> _Node | None:
        """The only document's root; None if there is none."""
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise _Stop("a second document starts here (---); one is allowed", _line(event))
                root = self._node(next(self._events), 0)
            elif isinstance(event, StreamEndEvent):
                break
        return root

    def _node(self, event: Event, depth: int) -> _Node:
        if depth > MAX_DEPTH:
            raise _Stop(f"nested more than {MAX_DEPTH} levels deep", _line(event))
        if isinstance(event, AliasEvent):
            node = self._anchors.get(event.anchor)
            if node is None:
                raise _Stop(f"*{event.anchor} stands for nothing before it", _line(event))
            self._count(node.size, event)
            return node
        if not isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent):
            raise _Stop("not valid YAML", _line(event))
        self._count(1, event)
        self._check_tag(event)
        before = self._nodes
        value: Scalar | list[_Node] | dict[str, tuple[int, _Node]]
        if isinstance(event, MappingStartEvent):
            value = self._mapping(depth)
        elif isinstance(event, SequenceStartEvent):
            value = self._sequence(depth)
        else:
            value = self._scalar(event)
        node = _Node(value, _line(event), self._nodes - before + 1)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _count(self, nodes: int, event: Event) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _Stop(f"more than {MAX_NODES} values, aliases counted out", _line(event))

    def _check_tag(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        tag = event.tag
        if tag is not None and str(tag) not in _CORE_TAGS | _TEXT_TAGS:
            self.faults.append(
                Problem(f"the tag {shorten(str(tag))} is not taken", line=_line(event))
            )

    def _sequence(self, depth: int) -> list[_Node]:
        items: list[_Node] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, tuple[int, _Node]]:
        entries: dict[str, tuple[int, _Node]] = {}
        merged: list[tuple[int, _Node]] = []
        while not isinstance(event := next(self._events), MappingEndEvent):
            line = _line(event)
            key = self._key(event, depth)
            node = self._node(next(self._events), depth + 1)
            if key is None:
                continue
            if key == _MERGE and _is_plain(event):
                merged.append((line, node))
            elif key in entries:
                first = entries[key][0]
                self.faults.append(Problem(f"stands in line {first} already", key, line))
            else:
                entries[key] = (line, node)
        for line, node in merged:
            self._merge(entries, line, node)
        return entries

    def _key(self, event: Event, depth: int) -> str | None:
        node = self._node(event, depth + 1)
        if isinstance(event, ScalarEvent) and is_printable(event.value):
            return str(event.value)
        if isinstance(node.value, str) and is_printable(node.value):
            return node.value
        if not isinstance(event, ScalarEvent):
            self.faults.append(Problem("a key has to be one word", line=_line(event)))
        return None

    def _merge(self, entries: dict[str, tuple[int, _Node]], line: int, node: _Node) -> None:
        for source in node.value if isinstance(node.value, list) else [node]:
            if not isinstance(source.value, dict):
                self.faults.append(Problem("<< takes a mapping or a list of them", line=line))
                return
            for key, entry in source.value.items():
                entries.setdefault(key, entry)

    def _scalar(self, event: ScalarEvent) -> Scalar:
        text = str(event.value)
        if not is_printable(text):
            self.faults.append(Problem("a text holds a control character", line=_line(event)))
            return ""
        tag = event.tag
        as_text = str(tag) in _TEXT_TAGS if tag is not None else not _is_plain(event)
        if as_text:
            return text
        try:
            return resolve(text)
        except ValueError as error:
            self.faults.append(Problem(str(error), line=_line(event)))
            return None


def _events(text: str) -> Iterator[Event]:
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        raise _syntax(error) from error
    # ruamel.yaml lets Python's own errors through for escapes out of Unicode's range.
    except (YAMLError, ValueError, OverflowError) as error:
        line = _line_of_unprintable(text)
        why = (
            "a character that YAML does not allow" if line else "an escape that stands for nothing"
        )
        raise _Stop(f"not valid YAML: {why}", line) from error


def _syntax(error: MarkedYAMLError) -> _Stop:
    why = " ".join(str(error.problem or error.context or "can't be read").split())
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and any(words in why for words in _FROM_ITS_START):
        mark = error.context_mark
    for theirs, ours in _PLAINER:
        why = re.sub(theirs, ours, why)
    return _Stop(f"not valid YAML: {why}", mark.line + 1 if mark else None)


def _line_of_unprintable(text: str) -> int | None:
    lines = text.split("\n")
    return next((n for n, line in enumerate(lines, 1) if not is_printable(line)), None)


def _is_plain(event: Event) -> bool:
    return isinstance(event, ScalarEvent) and bool(event.implicit[0])


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _plain(node: _Node, location: Location, lines: dict[Location, int]) -> Any:  # noqa: ANN401
    lines.setdefault(location, node.line)
    if isinstance(node.value, list):
        return [_plain(item, (*location, n), lines) for n, item in enumerate(node.value)]
    if isinstance(node.value, dict):
        mapping = {}
        for key, (line, value) in node.value.items():
            lines[(*location, key)] = line
            mapping[key] = _plain(value, (*location, key), lines)
        return mapping
    return node.value


def _inside(folder: Path) -> str | None:
    names = sorted(file.name for file in folder.glob("*.y*ml"))[:12]
    return f"It holds {', '.join(names)}." if names else None


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return "permission denied"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "that is no path"
