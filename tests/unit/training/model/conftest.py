from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from topoqa_train.training.data.collate import GraphBatch, collate
from topoqa_train.training.data.dataset import Sample
from topoqa_train.training.data.graphs import Graph

PEER = Path(__file__).parents[5] / "shared" / "peer"


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
def make_graph() -> Callable[..., Graph]:
    return random_graph


@pytest.fixture
def make_batch() -> Callable[..., GraphBatch]:
    def make(*graphs: Graph) -> GraphBatch:
        return collate([Sample(graph, 0.5, place) for place, graph in enumerate(graphs)])

    return make


@pytest.fixture
def batch(make_batch: Callable[..., GraphBatch]) -> GraphBatch:
    """Five graphs, one of them without edges."""
    sizes = [(4, 3), (7, 9), (5, 0), (9, 20), (6, 15)]
    return make_batch(
        *(random_graph(seed, nodes, pairs) for seed, (nodes, pairs) in enumerate(sizes))
    )


@pytest.fixture(scope="session")
def peer() -> Path:
    """The folder of the published graphs and weights; skips where it is missing."""
    if not PEER.is_dir():
        pytest.skip("../shared/peer is not there")
    return PEER
