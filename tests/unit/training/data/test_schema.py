from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train import atomic
from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Labels
from topoqa_train.training.data.dataset import GraphDataset, load_splits
from topoqa_train.training.data.schema import FeatureSchema, find_schema

COLUMNS = [f"column {number}" for number in range(6)]
MODELS = ("a_1", "a_2", "b_1")


@pytest.fixture
def split(make_split: Callable[..., tuple[Labels, GraphIndex]]) -> GraphDataset:
    labels, index = make_split(dict.fromkeys(MODELS, 0.5))
    return load_splits({"train": labels}, index)["train"]


def entry(**changes: Any) -> dict[str, Any]:
    edges = {"feature_dim": 3, "edge_feature_variant": "lean", "bands": [[0, 10]]}
    return {
        "edge_metadata": edges,
        "edge_module": "edge/v1",
        "edge_params": {"cutoff": 10},
        "node_feature_columns": COLUMNS,
        **changes,
    }


def folder_of(split: GraphDataset) -> Path:
    return split.paths[0].parent


def describe(split: GraphDataset, document: object, name: str = "graph_metadata.json") -> Path:
    path = folder_of(split) / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def find(split: GraphDataset, **paths: Path) -> FeatureSchema:
    return find_schema([split], folder_of(split), **paths)


def test_without_files_the_schema_is_that_of_the_tensors(
    split: GraphDataset, tmp_path: Path
) -> None:
    schema = find(split)
    assert (schema.node_dim, schema.edge_dim) == (6, 3)
    document = schema.to_document()
    assert document["node_schema"] == {"dim": 6, "columns": None}
    assert document["edge_schema"]["dim"] == 3
    assert document["metadata_path"] is document["summary_path"] is None
    assert document["module_registry"] == {}
    assert document["sample_graph"] == {
        "model": "a_1",
        "path": str(split.paths[0]),
        "num_nodes": split.graph(0).num_nodes,
        "num_edges": split.graph(0).num_edges,
        "node_dim": 6,
        "edge_dim": 3,
    }
    assert len(document["notes"]) == 2
    atomic.write_json(tmp_path / "feature_metadata.json", document)


@pytest.mark.parametrize("where", ["in", "above", "given"])
def test_files_are_found_and_recorded(split: GraphDataset, where: str, tmp_path: Path) -> None:
    metadata = describe(split, {model: entry() for model in MODELS})
    modules = {"edge": {"id": "edge/v1"}, "node": ["x"]}
    summary = describe(split, {"modules": modules, "other": 1}, "graph_builder_summary.json")
    given = {}
    if where == "above":
        metadata = metadata.rename(tmp_path / metadata.name)
        summary = summary.rename(tmp_path / summary.name)
    if where == "given":
        (tmp_path / "else").mkdir()
        metadata = metadata.rename(tmp_path / "else" / "m.json")
        summary = summary.rename(tmp_path / "else" / "s.json")
        given = {"metadata_path": metadata, "summary_path": summary}
    schema = find(split, **given)
    assert schema.to_document() == {
        "node_schema": {"dim": 6, "columns": COLUMNS},
        "edge_schema": {
            "dim": 3,
            "variant": "lean",
            "module": "edge/v1",
            "params": {"cutoff": 10},
            "bands": [[0, 10]],
        },
        "module_registry": modules,
        "metadata_path": str(metadata),
        "summary_path": str(summary),
        "notes": [],
        "sample_graph": schema.sample_graph,
    }


def test_modules_may_be_a_list(split: GraphDataset) -> None:
    describe(split, {"modules": ["edge/v1"]}, "graph_builder_summary.json")
    assert find(split).to_document()["module_registry"] == ["edge/v1"]


def test_a_given_file_that_is_not_there(split: GraphDataset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*m\.json"):
        find(split, metadata_path=tmp_path / "m.json")
    with pytest.raises(DataError, match=r"there is no file .*s\.json"):
        find(split, summary_path=tmp_path / "s.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"edge_metadata": {"feature_dim": 24}},
            "edge_metadata.feature_dim is 24, the tensors have 3, in 2 graphs: a_1.pt, b_1.pt",
        ),
        (
            {"node_feature_columns": COLUMNS[:5]},
            "the number of node_feature_columns is 5, the tensors have 6, in 2 graphs",
        ),
    ],
)
def test_disagreement_with_the_tensors_names_the_graphs(
    split: GraphDataset, changes: dict[str, Any], message: str
) -> None:
    path = describe(split, {"a_1": entry(**changes), "a_2": entry(), "b_1": entry(**changes)})
    with pytest.raises(DataError, match="and the graphs disagree") as caught:
        find(split)
    assert str(path) in caught.value.message
    assert message in caught.value.details[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node_feature_columns": COLUMNS[::-1]}, "node_feature_columns is column 5, column 4"),
        ({"edge_module": "edge/v2"}, "edge_module is edge/v2 in 1 graphs: a_2.pt"),
        (
            {"edge_metadata": {"feature_dim": 3, "edge_feature_variant": "heavy"}},
            "edge_feature_variant is heavy in 1 graphs: a_2.pt",
        ),
    ],
)
def test_graphs_built_differently_are_refused(
    split: GraphDataset, changes: dict[str, Any], message: str
) -> None:
    describe(split, {"a_1": entry(), "a_2": entry(**changes), "b_1": entry()})
    with pytest.raises(DataError, match="different features") as caught:
        find(split)
    assert message in caught.value.details[0]


def test_what_is_missing_or_differs_harmlessly_is_noted(split: GraphDataset) -> None:
    describe(split, {"a_1": entry(), "a_2": entry(edge_params={"cutoff": 9}), "z_9": "unused"})
    notes = find(split).notes
    assert "graph_metadata.json has no entry for 1 graphs: b_1" in notes
    assert any("edge_params differ" in note for note in notes)


def test_entries_without_values_are_accepted(split: GraphDataset) -> None:
    describe(split, {model: {} for model in MODELS})
    assert find(split).node_columns is None
