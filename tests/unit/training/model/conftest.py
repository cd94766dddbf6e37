from __future__ import annotations

from collections.abc import Callable

import pytest

from topoqa_train.training.data.collate import GraphBatch, collate
from topoqa_train.training.data.dataset import Sample
from topoqa_train.training.data.graphs import Graph


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
