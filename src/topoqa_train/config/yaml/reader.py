"""Read YAML files into plain data, with the line of every key and list item.

ruamel.yaml composes nodes and constructs nothing, so no tag can create an object. Size, nesting and
the number of values (aliases expanded) are bounded before plain data is built from the nodes.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from topoqa_train import bounded_read
from topoqa_train.config.yaml.errors import invalid
from topoqa_train.config.yaml.scalars import Scalar, is_printable, resolve, shorten
from topoqa_train.errors import ConfigError, Problem, shown_path

# Far above what a config or manifest needs, and low enough that a hostile file is refused within
# seconds and little memory: YAML's aliases let a few lines expand to billions of values.
MAX_BYTES = 1 << 20
MAX_LINE = 1 << 16
MAX_NODES = 20_000
MAX_DEPTH = 32

Location = tuple[str | int, ...]
_YAML = "tag:yaml.org,2002:"
_PLAIN, _TEXT = Tag(suffix="plain"), Tag(suffix=f"{_YAML}str")
_RESOLVED = ("plain", *(f"{_YAML}{name}" for name in ("null", "bool", "int", "float")))
_TAGS = {*_RESOLVED, str(_TEXT), f"{_YAML}seq", f"{_YAML}map"}
_MERGE = "<<"
# ruamel.yaml's description of the commonest mistakes, and what helps more.
_CLEARER = (
    (r".*but got '<stream end>'", "a bracket is never closed"),
    (r"found unexpected end of stream", "a quote is never closed"),
    (r"could not find expected ':'", "a key without a colon"),
    (r"expected <block end>, but found .*", "a wrong indent, or a quote or bracket too many"),
    (r"mapping values are not allowed here", "a wrong indent, or ': ' in a value without quotes"),
    (r"found character '\\t' that cannot start any token", "a tab; indent with spaces"),
    (r"but found another document", "a second document starts here; one is allowed"),
)


@dataclass(frozen=True)
class Document:
    """Plain data of one YAML document, and the line (from 1) of every key and list item."""

    data: Any
    lines: dict[Location, int]


def read_bytes(path: Path, kind: str) -> bytes:
    """Return the content of a `kind` ('config', 'manifest') of at most `MAX_BYTES`.

    Raises:
        ConfigError: it cannot be read, is too large or is not a regular file.
    """
    try:
        return bounded_read.content(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        is_folder = isinstance(error, OSError) and error.errno == errno.EISDIR
        names = sorted(file.name for file in path.glob("*.y*ml"))[:12] if is_folder else []
        raise ConfigError(
            f"the {kind} {shown_path(path)} can't be read: {reason}",
            hint=f"It holds {', '.join(names)}." if names else None,
        ) from error


def parse_bytes(content: bytes, path: Path, kind: str) -> Document:
    """Return the mapping that a `kind` file holds.

    Raises:
        ConfigError: it is not UTF-8, not YAML, empty, not a mapping, or beyond the bounds; with
            every error that does not hide others (duplicate keys, unsupported tags).
    """
    try:
        # Some editors begin a file with a byte order mark.
        document, problems = parse_text(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        document, problems = None, [Problem("is not text in UTF-8", line=line)]
    if not problems and document is None:
        problems = [Problem("the file is empty")]
    elif not problems and document is not None and not isinstance(document.data, dict):
        problems = [Problem("should hold sections (`name:` and indented keys)", line=1)]
    if problems or document is None:
        raise invalid(path, kind, [Problem(p.message, p.key, p.line, path) for p in problems])
    return document


def parse_text(text: str) -> tuple[Document | None, list[Problem]]:
    """Return one YAML document, None if there is none, and the problems found in it."""
    converter = _Converter()
    try:
        root = _compose(text)
        data = None if root is None else converter.value(root, ())
    except _UnreadableError as error:
        return None, [*converter.problems, Problem(str(error), line=error.line)]
    return None if root is None else Document(data, converter.lines), converter.problems


class _UnreadableError(Exception):
    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


def _compose(text: str) -> Node | None:
    for number, line in enumerate(text.split("\n"), 1):
        # The scanner's time grows with the square of some lines' length.
        if len(line) > MAX_LINE:
            raise _UnreadableError(f"a line of more than {MAX_LINE} characters", number)
    # The optional C parser knows only YAML 1.1, and it would bypass the bounded composer.
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer, yaml.Resolver = _BoundedComposer, _Resolver
    try:
        root: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        raise _syntax_error(error) from error
    # ruamel.yaml lets Python's own errors through for escapes beyond Unicode's range.
    except (YAMLError, ValueError, OverflowError) as error:
        lines = (n for n, line in enumerate(text.split("\n"), 1) if not is_printable(line))
        first = next(lines, None)
        reason = "a character that YAML does not allow" if first else "an invalid escape"
        raise _UnreadableError(f"not valid YAML: {reason}", first) from error
    return root


def _syntax_error(error: MarkedYAMLError) -> _UnreadableError:
    reason = " ".join(str(error.problem or error.context or "unknown error").split())
    mark = error.problem_mark or error.context_mark
    # What is never closed is reported at the end of the file; the user looks for its start.
    if "stream" in reason or "expected ':'" in reason:
        mark = error.context_mark or mark
    for pattern, clearer in _CLEARER:
        reason = re.sub(pattern, clearer, reason)
    return _UnreadableError(f"not valid YAML: {reason}", mark.line + 1 if mark else None)


class _BoundedComposer(Composer):
    """Composer that stops before a small file becomes a large tree."""

    def __init__(self, loader: Any = None) -> None:  # noqa: ANN401
        super().__init__(loader=loader)
        self.warn_double_anchors = False
        self._nodes = self._level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401
        self._nodes += 1
        self._level += 1
        _check_bounds(self._nodes, self._level - 1, self.parser.peek_event())
        node = super().compose_node(parent, index)
        self._level -= 1
        return node


class _Resolver(VersionedResolver):
    """Resolver that leaves plain scalars to `scalars.resolve`, whatever YAML version is named."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:  # noqa: ANN401
        if kind is ScalarNode:
            return _PLAIN if implicit[0] else _TEXT
        return super().resolve(kind, value, implicit)


def _check_bounds(nodes: int, depth: int, place: Any) -> None:  # noqa: ANN401
    if depth > MAX_DEPTH:
        raise _UnreadableError(f"nested more than {MAX_DEPTH} levels deep", _line(place))
    if nodes > MAX_NODES:
        raise _UnreadableError(f"more than {MAX_NODES} values, aliases expanded", _line(place))


def _line(place: Any) -> int:  # noqa: ANN401 - a node or an event of ruamel's
    return int(place.start_mark.line) + 1


@dataclass
class _Converter:
    """Converts nodes to plain data; collects lines and the problems that do not hide others."""

    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0

    def value(self, node: Node, at: Location) -> Any:  # noqa: ANN401
        # An alias is the same node again, and may be part of itself: bounded here once more.
        self.nodes += 1
        _check_bounds(self.nodes, len(at), node)
        # The line of a key is there already; its value may begin lines below it.
        self.lines.setdefault(at, _line(node))
        if str(node.tag) not in _TAGS:
            self._problem(node, f"the tag {shorten(str(node.tag))} is not supported")
        if isinstance(node, SequenceNode):
            return [self.value(item, (*at, n)) for n, item in enumerate(node.value)]
        if isinstance(node, MappingNode):
            return self._mapping(node, at)
        return self._scalar(node)

    def _mapping(self, node: MappingNode, at: Location) -> dict[str, Any]:
        entries = self._entries(node, len(at))
        self.lines |= {(*at, key): line for key, (line, _) in entries.items()}
        return {key: self.value(value, (*at, key)) for key, (_, value) in entries.items()}

    def _entries(self, node: MappingNode, depth: int) -> dict[str, tuple[int, Node]]:
        """Return line and value of each key of a mapping, merged mappings included."""
        self.nodes += len(node.value)
        _check_bounds(self.nodes, depth, node)
        entries: dict[str, tuple[int, Node]] = {}
        merged: list[Node] = []
        for key_node, value in node.value:
            key = self._key(key_node)
            if key == _MERGE and str(key_node.tag) == str(_PLAIN):
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif key in entries:
                self._problem(key_node, f"duplicate key, first in line {entries[key][0]}", key)
            elif key is not None:
                entries[key] = (_line(key_node), value)
        # A mapping's own keys override merged ones, and the first of several mappings wins.
        for source in merged:
            if isinstance(source, MappingNode):
                entries = self._entries(source, depth + 1) | entries
            else:
                self._problem(source, "<< takes a mapping or a list of mappings")
        return entries

    def _key(self, node: Node) -> str | None:
        if not isinstance(node, ScalarNode):
            self._problem(node, "a key has to be one word")
        elif not is_printable(node.value):
            self._problem(node, "a key holds a control character")
        else:
            return str(node.value)
        return None

    def _scalar(self, node: Node) -> Scalar:
        if not is_printable(node.value):
            self._problem(node, "a text holds a control character")
            return ""
        try:
            return resolve(node.value) if str(node.tag) in _RESOLVED else str(node.value)
        except ValueError as error:
            self._problem(node, str(error))
            return None

    def _problem(self, node: Node, message: str, key: str | None = None) -> None:
        self.problems.append(Problem(message, key, _line(node)))
