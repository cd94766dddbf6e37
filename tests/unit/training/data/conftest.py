from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from topoqa_train.training.data.graphs import Graph, write_graph
from topoqa_train.training.data.index import GraphIndex
from topoqa_train.training.data.labels import Label, Labels

MakeGraph = Callable[..., Graph]


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
