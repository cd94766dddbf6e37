from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Labels
from topoqa_train.training.data.collate import GraphBatch
from topoqa_train.training.data.datamodule import (
    EpochSampler,
    GraphDataModule,
    evaluation_loader,
    training_loader,
)
from topoqa_train.training.data.dataset import GraphDataset, load_splits

GRAPHS = 37


@pytest.fixture
def split(make_split: Callable[..., tuple[Labels, GraphIndex]]) -> GraphDataset:
    labels, index = make_split({f"t{number % 4}_{number}": number / 50 for number in range(GRAPHS)})
    return load_splits({"val": labels}, index)["val"]


def positions(batches: list[GraphBatch]) -> list[int]:
    return [position for batch in batches for position in batch.index.tolist()]


def same(one: list[GraphBatch], other: list[GraphBatch]) -> bool:
    return all(
        torch.equal(first._tensors()[name], second._tensors()[name])
        for first, second in zip(one, other, strict=True)
        for name in first._tensors()
    )


@pytest.mark.parametrize("batch_size", [1, 16, 36, 37, 100])
def test_every_graph_is_seen_once_an_epoch(split: GraphDataset, batch_size: int) -> None:
    for loader in (
        evaluation_loader(split, batch_size),
        training_loader(split, batch_size, seed=1),
    ):
        batches = list(loader)
        assert sorted(positions(batches)) == list(range(GRAPHS))
        assert sum(batch.num_graphs for batch in batches) == GRAPHS
        last = GRAPHS % batch_size or batch_size
        assert batches[-1].num_graphs == min(last, GRAPHS)
        assert all(batch.num_graphs == len(batch.y) == len(batch.index) for batch in batches)


def test_a_batch_has_all_its_graphs(split: GraphDataset) -> None:
    """The previous pipeline saw only the first of each batch."""
    batches = list(evaluation_loader(split, 16))
    assert positions(batches) == list(range(GRAPHS))
    for batch in batches:
        nodes = torch.bincount(batch.batch, minlength=batch.num_graphs)
        graphs = [split.graph(position) for position in batch.index.tolist()]
        assert nodes.tolist() == [graph.num_nodes for graph in graphs]
        assert batch.y.tolist() == pytest.approx(split.dockq[batch.index.numpy()])


def test_the_order_depends_on_seed_and_epoch_alone(split: GraphDataset) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return positions(list(training_loader(split, 8, seed=seed, epoch=epoch)))

    first = order(1, 0)
    torch.manual_seed(99)
    assert order(1, 0) == first
    others = [order(1, 1), order(2, 0), order(0, 1), list(range(GRAPHS))]
    assert first not in others
    assert len({tuple(other) for other in others}) == len(others)


def test_an_epoch_has_the_same_order_when_training_starts_with_it() -> None:
    sampler = EpochSampler(GRAPHS, seed=5)
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert list(EpochSampler(GRAPHS, seed=5, epoch=2)) == orders[2]
    assert list(sampler) == orders[2]
    assert len(sampler) == GRAPHS


def test_workers_give_the_same_numbers(split: GraphDataset) -> None:
    alone = training_loader(split, 16, seed=3)
    helped = training_loader(split, 16, seed=3, num_workers=2)
    assert same(list(alone), list(helped))
    for loader in (alone, helped):
        assert isinstance(loader.sampler, EpochSampler)
        loader.sampler.set_epoch(1)
    second = list(alone)
    assert positions(second) != positions(list(training_loader(split, 16, seed=3)))
    assert same(second, list(helped))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_loading_draws_nothing_from_the_global_generator(
    split: GraphDataset, num_workers: int
) -> None:
    torch.manual_seed(4)
    before = torch.get_rng_state()
    list(training_loader(split, 16, seed=3, num_workers=num_workers))
    list(evaluation_loader(split, 16, num_workers=num_workers))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_module_starts_with_its_first_epoch(split: GraphDataset) -> None:
    module = GraphDataModule(train=split, val=split, batch_size=16, seed=7, first_epoch=4)
    expected = training_loader(split, 16, seed=7, epoch=4)
    assert same(list(module.train_dataloader()), list(expected))
    assert same(list(module.val_dataloader()), list(evaluation_loader(split, 16)))
