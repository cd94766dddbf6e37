"""The two JSON files in which a graph builder describes its graphs; untrusted input."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from topoqa_train import bounded_read
from topoqa_train.config.yaml.scalars import shorten
from topoqa_train.errors import DataError

METADATA_NAME: Final = "graph_metadata.json"
SUMMARY_NAME: Final = "graph_builder_summary.json"
_MAX_BYTES: Final = 2**30
_MAX_DEPTH: Final = 32


@dataclass(frozen=True)
class BuiltGraph:
    """Description of one graph by its builder; None for what it omits."""

    edge_dim: int | None
    edge_variant: str | None
    edge_bands: Any
    edge_module: str | None
    edge_params: Mapping[str, Any] | None
    node_columns: tuple[str, ...] | None


def locate(name: str, graph_dir: Path, given: Path | None) -> Path | None:
    """Return `given`, or else `name` in the folder of graphs or its parent, or None.

    Raises:
        DataError: `given` does not exist.
    """
    if given is not None:
        if not given.is_file():
            raise DataError(f"there is no file {given}", hint=f"It should be a {name}.")
        return given
    candidates = (graph_dir / name, graph_dir.absolute().parent / name)
    return next((path for path in candidates if path.is_file()), None)


def read_document(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`.

    Raises:
        DataError: the file does not exist, is not a JSON object, repeats a key in one object, or
            holds values that JSON can't represent (NaN, infinity).
    """
    try:
        text = bounded_read.content(path, _MAX_BYTES).decode("utf-8-sig")
        document = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
        # JSON allows a lone surrogate and 1e999, but neither can be written to a file again.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} can't be used: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise DataError(f"{path} holds a {type(document).__name__}, not a JSON object")
    return document


def built_graph(document: Mapping[str, Any], model: str, path: Path) -> BuiltGraph | None:
    """Return the entry of `model` in the metadata `document`, read from `path`, or None.

    Raises:
        DataError: a value has the wrong type; path, model and key are named.
    """
    if model not in document:
        return None
    place = f"{path}: {model}"
    entry = _kind(document[model], dict, "an object", place)
    edges = _kind(entry.get("edge_metadata", {}), dict, "an object", f"{place}: edge_metadata")
    columns = _optional(entry, "node_feature_columns", list, "a list of names", place)
    if columns is not None and not all(isinstance(column, str) for column in columns):
        raise DataError(f"{place}: node_feature_columns is not a list of names")
    _check_depth([edges.get("bands"), entry.get("edge_params")], place)
    width = _optional(edges, "feature_dim", int, "a number", f"{place}: edge_metadata")
    variant = _optional(edges, "edge_feature_variant", str, "a name", f"{place}: edge_metadata")
    return BuiltGraph(
        edge_dim=width,
        edge_variant=variant,
        edge_bands=edges.get("bands"),
        edge_module=_optional(entry, "edge_module", str, "a name", place),
        edge_params=_optional(entry, "edge_params", dict, "an object", place),
        node_columns=None if columns is None else tuple(columns),
    )


def modules(document: Mapping[str, Any], path: Path) -> dict[str, Any] | list[Any]:
    """Return the modules in a builder's summary, read from `path`; empty if there are none."""
    found = document.get("modules")
    if found is None:
        return {}
    if not isinstance(found, dict | list):
        raise DataError(f"{path}: modules is {json.dumps(found)[:60]}, not an object or a list")
    _check_depth(found, f"{path}: modules")
    return found


def _optional(entry: Mapping[str, Any], key: str, kind: type, expected: str, place: str) -> Any:  # noqa: ANN401
    value = entry.get(key)
    return None if value is None else _kind(value, kind, expected, f"{place}: {key}")


def _kind(value: Any, kind: type, expected: str, place: str) -> Any:  # noqa: ANN401
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{place} is {json.dumps(value)[:60]}, not {expected}")
    return value


def _check_depth(value: Any, place: str) -> None:  # noqa: ANN401
    """Refuse nesting so deep that writing or comparing the value would fail."""
    pending = [(value, 0)]
    while pending:
        each, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise DataError(f"{place}: it is nested more than {_MAX_DEPTH} levels deep")
        if isinstance(each, dict | list):
            items = each.values() if isinstance(each, dict) else each
            pending += [(item, depth + 1) for item in items]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key '{shorten(twice)}' is repeated in one object")
    return result


def _no_constant(name: str) -> float:
    raise ValueError(f"it holds {name}, which JSON does not allow")
