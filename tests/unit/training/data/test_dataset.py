from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from topoqa_train.errors import DataError, InterruptedRunError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Label, Labels
from topoqa_train.training.data.dataset import load_splits
from topoqa_train.training.data.graphs import Graph, read_graph

MakeSplit = Callable[..., tuple[Labels, GraphIndex]]
MakeGraph = Callable[..., Graph]


def test_every_labelled_graph_is_read_in_order(make_split: MakeSplit) -> None:
    labels, index = make_split({"b_1": 0.5, "a_1": 0.25, "b_2": 1.0, "c_9": 0.0})
    split = load_splits({"val": labels}, index)["val"]
    assert len(split) == 4
    for position, row in enumerate(labels.rows):
        sample = split[position]
        path = index.find(row.model)
        assert path is not None
        on_disk = read_graph(path)
        assert (sample.dockq, sample.position) == (row.dockq, position)
        assert torch.equal(sample.graph.x, on_disk.x)
        assert torch.equal(sample.graph.edge_index, on_disk.edge_index)
        assert torch.equal(sample.graph.edge_attr, on_disk.edge_attr)
        assert split.paths[position] == path
    assert split.labels == labels.rows
    assert split.targets == ("b", "a", "c")
    assert split.dockq.tolist() == [0.5, 0.25, 1.0, 0.0]
    assert split.target_ids.tolist() == [0, 1, 0, 2]
    assert split.target_ids.dtype == np.int64
    assert (split.node_dim, split.edge_dim) == (6, 3)
    assert split[-1].position == 3
    with pytest.raises(IndexError):
        split[4]


def test_memory_is_what_the_tensors_take(make_split: MakeSplit) -> None:
    labels, index = make_split({"a_1": 0.5, "b_1": 0.5})
    split = load_splits({"val": labels}, index)["val"]
    graphs = [split.graph(0), split.graph(1)]
    nodes = sum(graph.num_nodes for graph in graphs)
    edges = sum(graph.num_edges for graph in graphs)
    assert split.memory_bytes == nodes * 6 * 4 + edges * (2 * 8 + 3 * 4)


def test_a_pickled_split_has_no_views(make_split: MakeSplit) -> None:
    labels, index = make_split({"a_1": 0.5, "b_1": 0.25})
    split = load_splits({"val": labels}, index)["val"]
    expected = split[1].graph.x
    copy = pickle.loads(pickle.dumps(split))
    assert "_graphs" in vars(split)
    assert "_graphs" not in vars(copy)
    assert torch.equal(copy[1].graph.x, expected)


def test_labels_without_a_graph_are_skipped(make_split: MakeSplit) -> None:
    labels, index = make_split({"a_1": 0.5, "b_1": 0.25})
    more = replace(labels, rows=(Label("x_1", 0.1, "x", 9), *labels.rows))
    split = load_splits({"val": more}, index)["val"]
    assert [label.model for label in split.labels] == ["a_1", "b_1"]
    assert split.target_ids.tolist() == [0, 1]


def test_a_split_without_a_graph_is_refused(make_split: MakeSplit) -> None:
    labels, index = make_split({"a_1": 0.5})
    none = Labels("test", Path("t.csv"), (Label("x_1", 0.1, "x", 2),))
    with pytest.raises(DataError, match="test: no labelled decoy has a graph"):
        load_splits({"val": labels, "test": none}, index)


def test_all_invalid_graphs_are_reported_together(make_split: MakeSplit) -> None:
    labels, index = make_split({f"m_{number:02d}": 0.5 for number in range(14)})
    torch.save({"x": 1}, index.root / "m_03.pt")
    for number in range(1, 13):
        if number != 3:
            (index.root / f"m_{number:02d}.pt").write_bytes(b"")
    with pytest.raises(DataError, match="12 of 14 graphs can't be used") as caught:
        load_splits({"val": labels}, index)
    details = caught.value.details
    assert len(details) == 11
    assert "m_01.pt is not a graph: it is empty" in details[0]
    assert "m_03.pt is not a graph: it holds a dict" in details[2]
    assert details[-1] == "and 2 more"
    assert "graphs validate" in (caught.value.hint or "")


def test_a_nan_is_named_with_its_file_over_all_splits(
    make_split: MakeSplit, make_graph: MakeGraph
) -> None:
    train, index = make_split({"a_1": 0.5}, split="train")
    bad = make_graph(5)
    bad.x[1, 1] = torch.nan
    torch.save(bad, index.root / "b_1.pt")
    val = Labels("val", Path("v.csv"), (Label("b_1", 0.5, "b", 2),))
    with pytest.raises(DataError, match="1 of 2 graphs") as caught:
        load_splits({"train": train, "val": val}, GraphIndex.scan(index.root))
    assert caught.value.details == (
        f"{index.root / 'b_1.pt'}: x holds 1 NaN or infinite, first at [1, 1]",
    )


def test_graphs_of_two_widths_name_the_fewer_first(
    make_split: MakeSplit, make_graph: MakeGraph
) -> None:
    labels, index = make_split(
        {"a_1": 0.5, "b_1": 0.5, "c_1": 0.5}, graphs={"b_1": make_graph(1, node_dim=5)}
    )
    with pytest.raises(DataError, match="2 different widths") as caught:
        load_splits({"val": labels}, index)
    assert caught.value.details == (
        "nodes 5, edges 3: 1 graphs: b_1.pt",
        "nodes 6, edges 3: 2 graphs: a_1.pt, c_1.pt",
    )


def test_anomalies_are_logged_by_kind(
    make_split: MakeSplit, make_graph: MakeGraph, caplog: pytest.LogCaptureFixture
) -> None:
    bare = {name: make_graph(1, nodes=4, pairs=0) for name in ("a_1", "b_1")}
    labels, index = make_split({"a_1": 0.5, "b_1": 0.5}, graphs=bare)
    with caplog.at_level(logging.WARNING):
        load_splits({"val": labels}, index)
    assert "2 graphs have no edges" in caplog.text


def test_reading_can_be_stopped_between_graphs(make_split: MakeSplit) -> None:
    labels, index = make_split({f"m_{number}": 0.5 for number in range(5)})
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 3:
            raise InterruptedRunError("stopped")

    with pytest.raises(InterruptedRunError):
        load_splits({"val": labels}, index, stop)
    assert seen == [(0, 5), (1, 5), (2, 5)]
