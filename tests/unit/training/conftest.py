"""Graphs of any size, and the published ones where they are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Label, Labels
from topoqa_train.training.data.collate import GraphBatch, collate
from topoqa_train.training.data.dataset import Sample
from topoqa_train.training.data.graphs import Graph, write_graph

MakeGraph = Callable[..., Graph]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Many threads on busy cores take a hundred times as long as one."""
    torch.set_num_threads(1)


def random_graph(
    seed: int, nodes: int = 7, pairs: int = 9, node_dim: int = 6, edge_dim: int = 3
) -> Graph:
    """A graph with every edge in both directions and no edge twice."""
    generator = torch.Generator().manual_seed(seed)
    upper = torch.triu_indices(nodes, nodes, offset=1)
    chosen = upper[:, torch.randperm(upper.shape[1], generator=generator)[:pairs]]
    both = torch.stack([chosen, chosen.flip(0)], dim=2).reshape(2, -1)
    return Graph(
        torch.rand(nodes, node_dim, generator=generator),
        both,
        torch.rand(both.shape[1], edge_dim, generator=generator),
    )


@pytest.fixture
def make_graph() -> MakeGraph:
    return random_graph


@pytest.fixture
def graph_file(tmp_path: Path, make_graph: MakeGraph) -> Path:
    path = tmp_path / "1ABC_001.pt"
    graph = make_graph(1)
    write_graph(path, graph.x, graph.edge_index, graph.edge_attr)
    return path


@pytest.fixture
def make_split(tmp_path: Path, make_graph: MakeGraph) -> Callable[..., tuple[Labels, GraphIndex]]:
    """Write graphs for models with a DockQ each; give their labels and index."""

    def make(
        dockq: Mapping[str, float], split: str = "val", graphs: Mapping[str, Graph] | None = None
    ) -> tuple[Labels, GraphIndex]:
        folder = tmp_path / "graph_data"
        for seed, model in enumerate(dockq):
            graph = (graphs or {}).get(model) or make_graph(seed, nodes=4 + seed % 5, pairs=3)
            path = folder / f"{model}.pt"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_graph(path, graph.x, graph.edge_index, graph.edge_attr)
        rows = tuple(
            Label(model, value, model.split("_")[0], line)
            for line, (model, value) in enumerate(dockq.items(), start=2)
        )
        return Labels(split, tmp_path / f"{split}.csv", rows), GraphIndex.scan(folder)

    return make


@pytest.fixture
def make_batch() -> Callable[..., GraphBatch]:
    def make(*graphs: Graph) -> GraphBatch:
        return collate([Sample(graph, 0.5, place) for place, graph in enumerate(graphs)])

    return make


@pytest.fixture
def batch(make_batch: Callable[..., GraphBatch], make_graph: Callable[..., Graph]) -> GraphBatch:
    """Five graphs, one of them without edges."""
    sizes = [(4, 3), (7, 9), (5, 0), (9, 20), (6, 15)]
    return make_batch(
        *(make_graph(seed, nodes, pairs) for seed, (nodes, pairs) in enumerate(sizes))
    )
