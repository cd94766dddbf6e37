"""Graphs of any size, and the published ones where they are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from topoqa_train.training.data.graphs import Graph

PEER = Path(__file__).parents[4] / "shared" / "peer"

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


@pytest.fixture(scope="session")
def peer() -> Path:
    """The folder of the published graphs and weights; skips where it is missing."""
    if not PEER.is_dir():
        pytest.skip("../shared/peer is not there")
    return PEER
