from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

from topoqa_train.errors import DataError
from topoqa_train.training.data.graphs import (
    Graph,
    graph_anomalies,
    graph_errors,
    read_graph,
    write_graph,
)

MakeGraph = Callable[..., Graph]


def write(path: Path, graph: Graph) -> None:
    write_graph(path, graph.x, graph.edge_index, graph.edge_attr)


def equal(one: Graph, other: Graph) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype
        for name in other.to_dict()
    )


def replace(graph: Graph, **tensors: Tensor) -> Graph:
    return Graph(**{**graph.to_dict(), **tensors})


def test_what_is_written_is_read(tmp_path: Path, make_graph: MakeGraph) -> None:
    graph = make_graph(3)
    write(tmp_path / "g.pt", graph)
    assert equal(read_graph(tmp_path / "g.pt"), graph)
    assert (graph.num_nodes, graph.num_edges) == (7, 18)
    assert [path.name for path in tmp_path.iterdir()] == ["g.pt"]


def test_torch_reads_it_safely_with_torch_geometrics_classes(graph_file: Path) -> None:
    allowed = [Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]
    with torch.serialization.safe_globals(allowed):
        data = torch.load(graph_file, weights_only=True)
    assert equal(Graph(data.x, data.edge_index, data.edge_attr), read_graph(graph_file))


def test_a_data_with_more_in_it_is_read(tmp_path: Path, make_graph: MakeGraph) -> None:
    graph = make_graph(3)
    data = Data(
        **graph.to_dict(),
        y=torch.tensor([0.5]),
        name="1ABC_001",
        residues=["A.1", "A.2"],
        size=(1, 2),
    )
    torch.save(data, tmp_path / "g.pt")
    assert equal(read_graph(tmp_path / "g.pt"), graph)


def test_views_are_read_as_what_they_show(tmp_path: Path, make_graph: MakeGraph) -> None:
    graph = make_graph(3)
    edge_index = graph.edge_index.t().contiguous().t()
    big = torch.zeros(1000, graph.x.shape[1])
    big[5 : 5 + graph.num_nodes] = graph.x
    data = Data(x=big[5 : 5 + graph.num_nodes], edge_index=edge_index, edge_attr=graph.edge_attr)
    torch.save(data, tmp_path / "g.pt")
    assert equal(read_graph(tmp_path / "g.pt"), graph)


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path, make_graph: MakeGraph) -> None:
    graph = make_graph(3)
    write(tmp_path / "a.pt", graph)
    write_graph(
        tmp_path / "b.pt",
        graph.x.double().numpy(),
        graph.edge_index.int().tolist(),
        np.asfortranarray(graph.edge_attr.numpy()),
    )
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_a_part_of_something_large_is_written_small(tmp_path: Path, make_graph: MakeGraph) -> None:
    graph = make_graph(3)
    large = torch.zeros(100_000, graph.x.shape[1])
    write_graph(tmp_path / "g.pt", large[:7], graph.edge_index, graph.edge_attr)
    assert (tmp_path / "g.pt").stat().st_size < 10_000


def test_an_invalid_graph_is_not_written(tmp_path: Path, make_graph: MakeGraph) -> None:
    graph = make_graph(3)
    graph.x[2, 1] = torch.nan
    with pytest.raises(DataError, match="not fit") as caught:
        write(tmp_path / "g.pt", graph)
    assert "first at [2, 1]" in caught.value.details[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x", "edge_index", "edge_attr"])
def test_a_missing_tensor_is_named(tmp_path: Path, make_graph: MakeGraph, name: str) -> None:
    parts = {key: value for key, value in make_graph(3).to_dict().items() if key != name}
    torch.save(Data(**parts), tmp_path / "g.pt")
    with pytest.raises(DataError, match=f"it has no {name}"):
        read_graph(tmp_path / "g.pt")


def changed(values: Tensor, place: tuple[int, int], value: float) -> Tensor:
    values = values.clone()
    values[place] = value
    return values


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("x", lambda x: x.double(), "x is float64, not float32"),
        ("edge_index", lambda index: index.int(), "edge_index is int32, not int64"),
        ("edge_attr", lambda edge: edge.half(), "edge_attr is float16, not float32"),
        ("x", lambda x: x[0], "x has the shape [6], not [n, node_dim]"),
        ("edge_index", lambda index: index.t(), "edge_index has the shape [18, 2], not [2, e]"),
        ("edge_attr", lambda edge: edge[:, :, None], "edge_attr has the shape [18, 3, 1]"),
        ("edge_attr", lambda edge: edge[:-1], "18 edges in edge_index, 17 in edge_attr"),
        ("x", lambda x: x[:0], "no nodes"),
        ("x", lambda x: x[:, :0], "nodes without features"),
        ("edge_attr", lambda edge: edge[:, :0], "edges without features"),
        (
            "x",
            lambda x: changed(x, (3, 2), torch.nan),
            "x holds 1 NaN or infinite, first at [3, 2]",
        ),
        ("edge_attr", lambda edge: changed(edge, (0, 1), torch.inf), "first at [0, 1]"),
        ("edge_index", lambda index: changed(index, (1, 4), 7), "names node 7, and there are"),
        ("edge_index", lambda index: changed(index, (0, 0), -1), "names node -1"),
    ],
)
def test_errors_are_reported(
    make_graph: MakeGraph, name: str, change: Callable[[Tensor], Tensor], expected: str
) -> None:
    graph = make_graph(3)
    assert graph_errors(graph) == []
    errors = graph_errors(replace(graph, **{name: change(getattr(graph, name))}))
    assert len(errors) == 1
    assert expected in errors[0]


def test_all_errors_are_reported(make_graph: MakeGraph) -> None:
    graph = make_graph(3)
    invalid = Graph(
        changed(graph.x, (0, 0), torch.nan),
        changed(graph.edge_index, (0, 0), 99),
        changed(graph.edge_attr, (0, 0), -torch.inf),
    )
    assert len(graph_errors(invalid)) == 3


def test_a_graph_without_edges_is_valid(make_graph: MakeGraph) -> None:
    graph = make_graph(3, pairs=0)
    assert graph_errors(graph) == []
    assert graph_anomalies(graph) == ["no edges"]


def test_anomalies(make_graph: MakeGraph) -> None:
    graph = make_graph(3, nodes=4, pairs=6)
    assert graph_anomalies(graph) == []
    one_way = replace(graph, edge_index=graph.edge_index[:, ::2], edge_attr=graph.edge_attr[::2])
    assert graph_anomalies(one_way) == ["edges in one direction only"]
    repeated = replace(
        graph,
        edge_index=torch.cat([graph.edge_index, graph.edge_index[:, :2]], dim=1),
        edge_attr=torch.cat([graph.edge_attr, graph.edge_attr[:2]]),
    )
    assert graph_anomalies(repeated) == ["2 repeated edges"]
    loop = replace(
        graph,
        edge_index=torch.cat([graph.edge_index, torch.tensor([[1], [1]])], dim=1),
        edge_attr=torch.cat([graph.edge_attr, graph.edge_attr[:1]]),
    )
    assert graph_anomalies(loop) == ["1 edges from a node to itself"]
    isolated = replace(graph, x=torch.cat([graph.x, graph.x[:2]]))
    assert graph_anomalies(isolated) == ["2 nodes without an edge"]


@pytest.mark.peer
def test_published_graphs_read_as_torch_reads_them(peer: Path) -> None:
    files = sorted((peer / "graph_data").glob("*.pt"))
    assert len(files) == 72
    for file in files:
        graph = read_graph(file)
        data = torch.load(file, weights_only=False)
        assert equal(graph, Graph(data.x, data.edge_index, data.edge_attr))
        assert graph_errors(graph) == []
