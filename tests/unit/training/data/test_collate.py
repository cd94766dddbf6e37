from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

import pytest
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor
from torch_geometric.data import Batch, Data

from topoqa_train.training.data import keys
from topoqa_train.training.data.collate import GraphBatch, collate
from topoqa_train.training.data.dataset import Sample
from topoqa_train.training.data.graphs import Graph

MakeGraph = Callable[..., Graph]


@pytest.fixture
def samples(make_graph: MakeGraph) -> list[Sample]:
    sizes = [(4, 3), (7, 9), (1, 0), (5, 0), (9, 20)]
    return [
        Sample(make_graph(seed, nodes=nodes, pairs=pairs), seed / 10, 40 + seed)
        for seed, (nodes, pairs) in enumerate(sizes)
    ]


def theirs(samples: Sequence[Sample]) -> Batch:
    return Batch.from_data_list(
        [Data(**sample.graph.to_dict(), y=sample.dockq) for sample in samples]
    )


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_as_torch_geometric_joins_them(samples: list[Sample], count: int) -> None:
    batch, expected = collate(samples[-count:]), theirs(samples[-count:])
    for name in ("x", "edge_index", "edge_attr", "batch"):
        ours, other = getattr(batch, name), getattr(expected, name)
        assert torch.equal(ours, other), name
        assert ours.dtype == other.dtype
    assert torch.equal(batch.y, expected.y)
    assert batch.num_graphs == expected.num_graphs == count


def test_a_batch_is_what_keys_names() -> None:
    names = [*keys.GRAPH_KEYS, keys.BATCH, keys.Y, keys.INDEX, "num_graphs"]
    assert [field.name for field in fields(GraphBatch)] == names


def test_labels_and_positions(samples: list[Sample]) -> None:
    batch = collate(samples)
    assert batch.y.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert batch.y.dtype == torch.float32
    assert batch.index.tolist() == [40, 41, 42, 43, 44]
    assert batch.index.dtype == torch.int64


def test_the_split_is_not_written_to(samples: list[Sample]) -> None:
    before = [sample.graph.edge_index.clone() for sample in samples]
    batch = collate(samples[1:2])
    batch.x.zero_()
    batch.edge_index.zero_()
    assert not torch.equal(samples[1].graph.x, batch.x)
    assert all(
        torch.equal(sample.graph.edge_index, index)
        for sample, index in zip(samples, before, strict=True)
    )


def test_it_moves_as_lightning_moves_batches(samples: list[Sample]) -> None:
    moved = move_data_to_device(collate(samples), torch.device("meta"))
    assert isinstance(moved, GraphBatch)
    assert {tensor.device.type for tensor in moved._tensors().values()} == {"meta"}
    assert len(moved._tensors()) == 6
    assert moved.num_graphs == 5


def test_its_floats_convert_as_lightning_converts_them(samples: list[Sample]) -> None:
    """What the precisions 64 and 16-true do to a batch."""

    def double(tensor: Tensor) -> Tensor:
        return tensor.double() if tensor.is_floating_point() else tensor

    batch = apply_to_collection(collate(samples), Tensor, double)
    assert isinstance(batch, GraphBatch)
    assert batch.x.dtype == batch.edge_attr.dtype == batch.y.dtype == torch.float64
    assert batch.edge_index.dtype == torch.int64
