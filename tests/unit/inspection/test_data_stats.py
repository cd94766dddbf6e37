from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from topoqa_train import api
from topoqa_train.config.load import load_config
from topoqa_train.errors import RequestError
from topoqa_train.inspection import data_stats
from topoqa_train.labels.label_file import Reason
from topoqa_train.testing.datasets import quiet
from topoqa_train.views.data import Spread
from topoqa_train.workflows.data_resolver import DataResolver

NODE_DIM, EDGE_DIM = 3, 2
# Model to nodes and pairs of nodes that are joined, in both directions.
SIZES = {"1ABC_0": (4, 3), "1ABC_1": (5, 1), "2XYZ_0": (9, 7), "3KLM_0": (6, 2), "1ABC_9": (4, 1)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "graphs").mkdir()
    for model, (nodes, pairs) in SIZES.items():
        one = np.arange(pairs) % (nodes - 1)
        edges = np.array([[*one, *(one + 1)], [*(one + 1), *one]])
        api.write_graph(
            folder / "graphs" / f"{model}.pt",
            np.ones((nodes, NODE_DIM), np.float32),
            edges,
            np.ones((2 * pairs, EDGE_DIM), np.float32),
        )
    (folder / "train.csv").write_text(
        "MODEL,dockq\n1ABC_0,0.22\n1ABC_1,0.23\n2XYZ_0,0.8\n4NOO_0,0.5\n4NOO_1,\n"
    )
    (folder / "val.csv").write_text("MODEL,dockq\n3KLM_0,0.49\n1ABC_9,0.5\n")
    (folder / "config.yaml").write_text(
        "paths: {graph: graphs, train_labels: train.csv, val_labels: val.csv}\n"
        "model: {attention_head: 2}\ndataloader: {batch_size: 2}\n"
    )
    return folder


def found(data: Path, batch_size: int | None = None):
    labels = [data / "train.csv", data / "val.csv"]
    request = data_stats.of_files(data / "graphs", labels, batch_size)
    return data_stats.stats(request, quiet)


def test_counts_of_each_split(data: Path) -> None:
    train, val = found(data).splits
    assert (train.split, train.targets, train.decoys) == ("train", 2, 3)
    assert train.nodes == Spread(4, 5, 9)
    assert train.edges == Spread(2, 6, 14)
    assert (val.targets, val.decoys, val.nodes) == (2, 2, Spread(4, 4, 6))
    assert [(item.reason, item.line) for item in train.left_out] == [
        (Reason.NO_GRAPH, 5),
        (Reason.NO_DOCKQ, 6),
    ]
    assert val.left_out == ()


def test_capri_classes_include_their_bounds(data: Path) -> None:
    train, val = found(data).splits
    assert train.classes == {"incorrect": 1, "acceptable": 1, "medium": 0, "high": 1}
    assert val.classes == {"incorrect": 0, "acceptable": 0, "medium": 2, "high": 0}
    assert list(data_stats.capri([])) == ["incorrect", "acceptable", "medium", "high"]


def bytes_of(*models: str) -> int:
    return sum(
        4 * NODE_DIM * nodes + 2 * pairs * (4 * EDGE_DIM + 2 * 8)
        for nodes, pairs in (SIZES[model] for model in models)
    )


def test_memory_of_a_split_and_of_batches(data: Path) -> None:
    stats = found(data, 2)
    train, val = stats.splits
    assert train.memory_bytes == bytes_of("1ABC_0", "1ABC_1", "2XYZ_0")
    assert val.memory_bytes == bytes_of("3KLM_0", "1ABC_9")
    assert stats.batch is not None
    assert stats.batch.mean_bytes == round(bytes_of(*SIZES) / 5 * 2)
    # The two with the most edges; a batch also says of each node which graph it is of.
    nodes = SIZES["2XYZ_0"][0] + SIZES["1ABC_0"][0]
    assert stats.batch.largest_bytes == bytes_of("2XYZ_0", "1ABC_0") + 8 * nodes + 2 * (4 + 8)
    assert stats.batch.step_bytes > stats.batch.largest_bytes + 4 * stats.batch.parameters
    assert (stats.node_dim, stats.edge_dim) == (NODE_DIM, EDGE_DIM)


def test_network_and_batch_of_a_config(data: Path) -> None:
    config = load_config(data / "config.yaml").config
    files = DataResolver(quiet).files(config)
    by_config = data_stats.stats(data_stats.of_config(files, config, None), quiet)
    default = found(data, 2)
    assert by_config.batch is not None
    assert default.batch is not None
    assert by_config.batch.batch_size == 2
    assert by_config.splits == default.splits
    # Two heads in place of eight.
    assert by_config.batch.parameters < default.batch.parameters
    assert data_stats.of_config(files, config, 7).batch_size == 7


def test_a_target_in_two_splits_is_reported(data: Path) -> None:
    assert found(data).shared_targets == ("1ABC",)


def test_the_document_is_json(data: Path) -> None:
    document = data_stats.to_document(found(data))
    assert json.loads(json.dumps(document)) == document
    assert document["splits"]["train"]["left_out"] == {"no graph": 1, "no dockq": 1}
    assert document["splits"]["train"]["nodes"] == {"least": 4, "median": 5, "most": 9}
    assert document["batch"]["batch_size"] == 16


def test_without_a_valid_graph_there_is_no_batch(data: Path, tmp_path: Path) -> None:
    labels = tmp_path / "none.csv"
    labels.write_text("MODEL,dockq\n4NOO_0,0.5\n")
    stats = data_stats.stats(data_stats.of_files(data / "graphs", [labels], None), quiet)
    assert (stats.batch, stats.node_dim, stats.splits[0].nodes) == (None, None, None)
    assert stats.splits[0].decoys == 0


def test_two_label_files_with_one_name(data: Path, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("MODEL,dockq\na,0.5\n")
    with pytest.raises(RequestError, match="two label files have one name"):
        data_stats.of_files(data, [data / "train.csv", tmp_path / "train.csv"], None)
    with pytest.raises(RequestError, match="name a label file"):
        data_stats.of_files(data, [], None)
    with pytest.raises(RequestError, match="there is no label file"):
        data_stats.of_files(data, [tmp_path / "no.csv"], None)
