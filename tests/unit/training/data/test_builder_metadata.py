"""The files of a graph builder, also hostile ones: read, or refused with the file's name."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import within
from refusals import refusal

from topoqa_train import atomic
from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Labels
from topoqa_train.training.data.builder_metadata import built_graph, modules, read_document
from topoqa_train.training.data.dataset import GraphDataset, load_splits
from topoqa_train.training.data.schema import find_schema

COLUMNS = [f"column {number}" for number in range(6)]
METADATA: dict[str, Any] = {
    model: {
        "edge_metadata": {
            "feature_dim": 3,
            "edge_feature_variant": "lean",
            "bands": [[0, 10], [10, None]],
        },
        "edge_module": "edge/v1",
        "edge_params": {"cutoff": 10.5, "names": ["a"]},
        "node_feature_columns": COLUMNS,
    }
    for model in ("a_1", "b_1")
}
SUMMARY = {"modules": {"edges": {"module": "e", "params": {"x": [1, 2]}}}, "graphs": {"built": 2}}


@pytest.fixture
def split(make_split: Callable[..., tuple[Labels, GraphIndex]]) -> GraphDataset:
    labels, index = make_split({"a_1": 0.5, "b_1": 0.25})
    return load_splits({"train": labels}, index)["train"]


def look(path: Path) -> None:
    document = read_document(path)
    built_graph(document, "a_1", path)
    modules(document, path)


def refused(path: Path, content: bytes | None = None) -> str:
    if content is not None:
        path.write_bytes(content)
    return refusal(look, path, DataError, shorter_than=500)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "recursion"),
        (b'{"a_1":' * 100_000, "recursion"),
        (b'{"a_1": {"edge_params": {"z": 1e999}}}', "Out of range float"),
        (b'{"a_1": {"edge_params": {"z": NaN}}}', "NaN"),
        (b'{"a_1": {"edge_metadata": {"feature_dim": ' + b"9" * 5000 + b"}}}", "5000 digits"),
        (b'{"a_1": {"edge_module": "\\ud800"}}', "surrogates"),
        (b'{"a_1": {}, "b": {}, "a_1": {"edge_module": "x"}}', "the key 'a_1' is repeated"),
        (b'{"a_1": {"edge_params": {"x": ' + b"[" * 40 + b"]" * 40 + b"}}}", "32 levels deep"),
        (b'{"modules": {"x": ' + b"[" * 40 + b"]" * 40 + b"}}", "modules: it is nested"),
        (b'{"a_1": [' + b"0, " * 100_000 + b"0]}", "should be an object"),
        ("{}".encode("utf-16"), "utf-8"),
        (b"\0", "not JSON"),
        (b"", "not JSON"),
        (b"[]", "holds a list"),
        (b"null", "holds a NoneType"),
        (b'{"modules": 5}', "modules is 5"),
        (b'{"modules": "a"}', "modules is"),
        (b'{"a_1": 1}', "a_1 is 1"),
        (b'{"a_1": {"edge_metadata": 3}}', "a_1.edge_metadata is 3"),
        (b'{"a_1": {"edge_metadata": {"feature_dim": "11"}}}', "edge_metadata.feature_dim"),
        (b'{"a_1": {"edge_metadata": {"feature_dim": true}}}', "edge_metadata.feature_dim"),
        (b'{"a_1": {"edge_metadata": {"feature_dim": 1e3}}}', "edge_metadata.feature_dim"),
        (b'{"a_1": {"edge_metadata": {"edge_feature_variant": ["x"]}}}', "edge_feature_variant"),
        (b'{"a_1": {"edge_module": 5}}', "a_1.edge_module is 5"),
        (b'{"a_1": {"edge_params": "x"}}', "a_1.edge_params"),
        (b'{"a_1": {"node_feature_columns": "abc"}}', "a_1.node_feature_columns"),
        (b'{"a_1": {"node_feature_columns": [1, 2]}}', "a_1.node_feature_columns.0 is 1"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_hostile_documents_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refused(tmp_path / "graph_metadata.json", content)


def test_pipes_devices_and_large_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "it is a pipe" in refused(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    assert "it is a device" in refused(tmp_path / "endless")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**33)
    assert "it has 8 GiB" in within(lambda: refused(tmp_path / "large"), mebibytes=16)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*place, key))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["\x1b[31m", "\ud800", 10**400, -1, "../../x", "a" * 10_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
WHOLE = {"graph_metadata.json": METADATA, "graph_builder_summary.json": SUMMARY}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from([p for p in places(WHOLE) if len(p) > 1]), value=JSON)
def test_any_part_of_another_kind(split: GraphDataset, place: tuple[Any, ...], value: Any) -> None:
    documents = copy.deepcopy(WHOLE)
    holder: Any = documents
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    folder = split.paths[0].parent
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    error: DataError | None = None
    try:
        schema = find_schema([split], folder)
    except DataError as caught:
        error = caught
    if error is None:
        atomic.write_json(folder / "feature_metadata.json", schema.to_document())
    else:
        assert str(folder / place[0]) in error.message
        assert len(error.message) + sum(map(len, error.details)) < 2000
