"""Configs and other plain documents to YAML that reads back as the same."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from topoqa_train.config.legacy import FLAT_KEYS
from topoqa_train.config.models import SECTIONS, TrainingConfig
from topoqa_train.config.yaml.reader import parse_text
from topoqa_train.config.yaml.scalars import resolve

_NO_FOLDING = 10**9
# It names a schema beside the file, and beside a run's config there is none.
_MODELINE = re.compile(r"^#[ \t]*yaml-language-server:.*\n", re.MULTILINE)
_BARE = re.compile(r"[A-Za-z/._][A-Za-z0-9/._+-]*(?: [A-Za-z0-9/._+-]+)*")


def dump_yaml(document: Mapping[str, Any]) -> str:
    """Plain data (mappings, lists, text, numbers, booleans, None) as block YAML."""
    return _dumped(_plain(document))


def config_yaml(config: TrainingConfig, source: bytes, path: Path) -> str:
    """`config` as YAML that loads to an equal one, over `source`, whose comments are kept.

    Where they can't be (a flat source, aliases in the way), the header says so.
    """
    target = effective(config)
    text = _MODELINE.sub("", source.decode("utf-8-sig"))
    document, _ = parse_text(text)
    before: dict[str, Any] = document.data if document else {}
    if not FLAT_KEYS.keys() & before.keys():
        commented = _over_source(text, before, target)
        if commented is not None:
            return commented
    header = f"# Made from {_in_comment(path.name)}; for its comments see original_config.yaml.\n"
    return header + dump_yaml(target)


def _in_comment(name: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", name)


def effective(config: TrainingConfig) -> dict[str, Any]:
    """All values of a config as plain data; left out are unset paths and names, empty mappings."""
    sections = config.model_dump(mode="json")
    return {
        name: {key: value for key, value in section.items() if value is not None and value != {}}
        for name, section in sections.items()
        if name != "reference" or any(section.values())
    }


def _over_source(text: str, before: dict[str, Any], target: dict[str, Any]) -> str | None:
    """The source with what differs from `target` changed, or None if that does not come out."""
    yaml = _yaml()
    try:
        root = yaml.load(text)
        _sync(root, before, target)
        result = _dumped(root)
    except (YAMLError, ValueError, TypeError, AttributeError):
        return None  # ruamel.yaml has shapes that it reads and can't change
    again, faults = parse_text(result)
    if faults or again is None or not _same(_without_empty(again.data), target):
        return None
    return result


def _sync(root: CommentedMap, before: dict[str, Any], target: dict[str, Any]) -> None:
    shared = _shared(root)
    for name in dict.fromkeys((*target, *before)):
        node, section = root.get(name), target.get(name, {})
        if isinstance(node, CommentedMap) and id(node) not in shared:
            _sync_section(node, before[name], section)
        elif not _same(_without_empty({name: before.get(name)}).get(name, {}), section):
            _add(root, {name: section})


def _sync_section(node: CommentedMap, before: dict[str, Any], section: dict[str, Any]) -> None:
    for key in before:
        if key not in section and before[key] is not None and before[key] != {}:
            node[key] = CommentedMap() if isinstance(before[key], dict) else None
        elif key in section and not _same(before[key], section[key]):
            node[key] = _plain(section[key])
    _add(node, {key: value for key, value in section.items() if key not in before})


def _add(node: CommentedMap, entries: dict[str, Any]) -> None:
    """Put entries at the end of `node`, before the comment that leads over to what follows it."""
    new = {key: value for key, value in entries.items() if key not in node}
    tail = _take_tail(node) if new and not node.fa.flow_style() else None
    for key, value in entries.items():
        node[key] = _plain(value)
    if tail is not None:
        _give_tail(node, tail)


def _last(node: Any) -> tuple[Any, Any, int] | None:  # noqa: ANN401
    """The innermost last entry: its holder, its key, the slot of the comment after it."""
    if not isinstance(node, CommentedMap | CommentedSeq) or not node:
        return None
    is_map = isinstance(node, CommentedMap)
    key = list(node)[-1] if is_map else len(node) - 1
    below = node[key]
    if isinstance(below, CommentedMap | CommentedSeq) and not below.fa.flow_style():
        return _last(below) or (node, key, 2 if is_map else 0)
    return node, key, 2 if is_map else 0


def _take_tail(node: CommentedMap) -> str | None:
    """Take off what stands after `node` from the first line that is not indented."""
    place = _last(node)
    if place is None:
        return None
    holder, key, slot = place
    comment = holder.ca.items.get(key)
    token = comment[slot] if comment and len(comment) > slot else None
    if not isinstance(token, CommentToken):
        return None
    lines = token.value.splitlines(keepends=True)
    own = next((n for n, line in enumerate(lines) if n and not line.startswith(" ")), len(lines))
    if own == len(lines):
        return None
    token.value = "".join(lines[:own])
    if not token.value.strip():
        comment[slot] = None
    return "".join(lines[own:])


def _give_tail(node: CommentedMap, tail: str) -> None:
    place = _last(node)
    if place is None:
        return
    holder, key, slot = place
    comment: list[Any] = [None, None, None, None] if slot == 2 else [None, None]
    comment[slot] = CommentToken("\n" + tail, CommentMark(0), None)
    holder.ca.items[key] = comment


def _shared(root: Any) -> set[int]:  # noqa: ANN401
    """Ids of the collections that stand in more than one place; changing one changes all."""
    seen: set[int] = set()
    twice: set[int] = set()

    def visit(node: Any) -> None:  # noqa: ANN401
        if not isinstance(node, CommentedMap | CommentedSeq):
            return
        (twice if id(node) in seen else seen).add(id(node))
        for child in node.values() if isinstance(node, CommentedMap) else node:
            visit(child)

    visit(root)
    return twice


def _without_empty(data: Any) -> dict[str, Any]:  # noqa: ANN401
    """`data` as `effective` would have it: empty sections and unset values left out."""
    if not isinstance(data, dict):
        return {}
    sections = {}
    for name, section in data.items():
        kept = section
        if isinstance(section, dict):
            kept = {key: v for key, v in section.items() if v is not None and v != {}}
        if kept or name not in SECTIONS:
            sections[name] = kept
    return sections


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401
    """Equality that tells true from 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _plain(value: Any) -> Any:  # noqa: ANN401
    """`value` for ruamel.yaml, with texts in quotes where they could be read as something else."""
    if isinstance(value, Mapping):
        return CommentedMap((_plain(str(key)), _plain(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return _quoted(value) if isinstance(value, str) else value


def _quoted(text: str) -> str:
    try:
        is_text = isinstance(resolve(text), str)
    except ValueError:
        is_text = False
    return text if is_text and _BARE.fullmatch(text) else DoubleQuotedScalarString(text)


class _Written(str):
    """A plain scalar as it stands in the source: ruamel.yaml's own rewrites the last digits."""

    __slots__ = ("tag",)
    tag: str


class _Constructor(RoundTripConstructor):
    pass


class _Representer(RoundTripRepresenter):
    pass


def _keep(_: RoundTripConstructor, node: ScalarNode) -> _Written:
    written = _Written(node.value)
    written.tag = node.tag or ""
    return written


def _show(representer: RoundTripRepresenter, written: _Written) -> ScalarNode:
    return representer.represent_scalar(written.tag, str(written))


for _kind in ("bool", "int", "float", "timestamp"):
    _Constructor.add_constructor(f"tag:yaml.org,2002:{_kind}", _keep)
_Representer.add_representer(_Written, _show)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Constructor = _Constructor
    yaml.Representer = _Representer
    yaml.width = _NO_FOLDING
    yaml.preserve_quotes = True
    return yaml


def _dumped(document: Any) -> str:  # noqa: ANN401
    stream = io.StringIO()
    _yaml().dump(document, stream)
    return stream.getvalue()
