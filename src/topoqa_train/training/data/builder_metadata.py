"""The two JSON files in which a graph builder describes its graphs; untrusted input."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from topoqa_train import bounded_read
from topoqa_train.config.yaml.scalars import shorten
from topoqa_train.errors import DataError

METADATA_NAME: Final = "graph_metadata.json"
SUMMARY_NAME: Final = "graph_builder_summary.json"
_MAX_BYTES: Final = 2**30
_MAX_DEPTH: Final = 32
# Errors of pydantic that name a Python class.
_OBJECTS: Final = ("model_type", "dict_type")


class EdgeMetadata(BaseModel):
    """Description of a graph's edge features; None for what the builder omits."""

    model_config = ConfigDict(strict=True)

    feature_dim: int | None = None
    edge_feature_variant: str | None = None
    bands: Any = None


class BuiltGraph(BaseModel):
    """Description of one graph by its builder; None for what it omits."""

    model_config = ConfigDict(strict=True)

    edge_metadata: EdgeMetadata = EdgeMetadata()
    edge_module: str | None = None
    edge_params: dict[str, Any] | None = None
    node_feature_columns: list[str] | None = None


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
    try:
        built = BuiltGraph.model_validate(document[model])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (model, *first["loc"])))
        expected = "should be an object" if first["type"] in _OBJECTS else first["msg"]
        value = json.dumps(first["input"])[:60]
        raise DataError(f"{path}: {place[:200]} is {value}: {expected}") from None
    _check_depth([built.edge_metadata.bands, built.edge_params], f"{path}: {model}")
    return built


def modules(document: Mapping[str, Any], path: Path) -> dict[str, Any] | list[Any]:
    """Return the modules in a builder's summary, read from `path`; empty if there are none."""
    found = document.get("modules")
    if found is None:
        return {}
    if not isinstance(found, dict | list):
        raise DataError(f"{path}: modules is {json.dumps(found)[:60]}, not an object or a list")
    _check_depth(found, f"{path}: modules")
    return found


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
