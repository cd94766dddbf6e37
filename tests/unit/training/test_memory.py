from __future__ import annotations

import torch
from torch import Tensor, nn

from topoqa_train.training.data.collate import GraphBatch
from topoqa_train.training.memory import batch_bytes, step_bytes, weights_bytes

NODES, WIDTH, WIDE = 1000, 8, 512


def batch(nodes: int) -> GraphBatch:
    return GraphBatch(
        x=torch.rand(nodes, WIDTH),
        edge_index=torch.zeros(2, 3, dtype=torch.int64),
        edge_attr=torch.rand(3, 2),
        batch=torch.zeros(nodes, dtype=torch.int64),
        y=torch.rand(1),
        index=torch.arange(1),
        num_graphs=1,
    )


class Wide(nn.Module):
    """Keeps one tensor of [nodes, WIDE] for the way back: the ReLU's output."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDE)
        self.outer = nn.Linear(WIDE, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        return self.outer(torch.relu(self.inner(batch.x))).mean().reshape(1)


def test_a_batch_is_its_tensors() -> None:
    floats = NODES * WIDTH + 3 * 2 + 1
    integers = 2 * 3 + NODES + 1
    assert batch_bytes(batch(NODES)) == 4 * floats + 8 * integers


def test_weights() -> None:
    assert weights_bytes(Wide()) == 4 * (WIDTH * WIDE + WIDE + WIDE + 1)


def test_a_step_holds_what_the_way_back_needs() -> None:
    one = 4 * NODES * WIDE
    least = batch_bytes(batch(NODES)) + weights_bytes(Wide())
    taken = step_bytes(Wide(), batch(NODES)) - least
    # At its fullest: the linear's output and the ReLU's, or the gradients of both; not four.
    assert 2 * one <= taken < 3.2 * one


def test_it_grows_with_the_batch_and_is_the_same_twice() -> None:
    small, large = (step_bytes(Wide(), batch(nodes)) for nodes in (NODES, 4 * NODES))
    assert 3.5 < large / small < 4.0
    assert step_bytes(Wide(), batch(NODES)) == small


def test_weights_count_five_times_where_they_are_all_there_is() -> None:
    # The weights, their gradients, Adam's two moments, and what its step works with.
    network = nn.Sequential(nn.Linear(2000, 2000))

    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, batch: GraphBatch) -> Tensor:
            return self.network(batch.x.new_ones(1, 2000)).mean().reshape(1)

    taken = step_bytes(Alone(), batch(1))
    assert 4 <= taken / weights_bytes(network) < 7
