"""Loaders over splits in memory: every graph of a split once an epoch, the short batch too."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import lightning
import torch
from torch.utils.data import DataLoader, Sampler

from topoqa_train.training.data.collate import collate
from topoqa_train.training.data.dataset import GraphDataset, Sample


class EpochSampler(Sampler[int]):
    """A new order each epoch that depends on the seed and the epoch alone.

    So a resumed training sees the graphs as one that was never stopped, with no generator's state
    to keep. Lightning calls `set_epoch`.
    """

    def __init__(self, length: int, seed: int, epoch: int = 0) -> None:
        self.length = length
        self.seed = seed
        self.epoch = epoch

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        # Hashed, because seeds 222 and 223 with epochs 1 and 0 must not share an order.
        digest = hashlib.blake2b(f"{self.seed} {self.epoch}".encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little", signed=True))
        return iter(torch.randperm(self.length, generator=generator).tolist())


def training_loader(
    split: GraphDataset,
    batch_size: int,
    *,
    seed: int,
    epoch: int = 0,
    num_workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[Sample]:
    """Batches in `EpochSampler`'s order; the last one may be short."""
    sampler = EpochSampler(len(split), seed, epoch)
    return _loader(split, batch_size, sampler, num_workers, pin_memory=pin_memory)


def evaluation_loader(
    split: GraphDataset, batch_size: int, *, num_workers: int = 0, pin_memory: bool = False
) -> DataLoader[Sample]:
    """Batches in the order of the split; the last one may be short."""
    return _loader(split, batch_size, None, num_workers, pin_memory=pin_memory)


class GraphDataModule(lightning.LightningDataModule):
    """The loaders of a training. Workers cost more than they save on graphs this small: 0 is best.

    `first_epoch` is the epoch that training begins with, more than 0 on resuming.
    """

    def __init__(
        self,
        *,
        train: GraphDataset,
        val: GraphDataset,
        batch_size: int,
        seed: int,
        num_workers: int = 0,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.train = train
        self.val = val
        self.batch_size = batch_size
        self.seed = seed
        self.num_workers = num_workers
        self.first_epoch = first_epoch

    def train_dataloader(self) -> DataLoader[Sample]:
        """See `training_loader`."""
        return training_loader(
            self.train,
            self.batch_size,
            seed=self.seed,
            epoch=self.first_epoch,
            num_workers=self.num_workers,
            pin_memory=self._to_gpu,
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """See `evaluation_loader`."""
        return evaluation_loader(
            self.val, self.batch_size, num_workers=self.num_workers, pin_memory=self._to_gpu
        )

    @property
    def _to_gpu(self) -> bool:
        strategy = None if self.trainer is None else self.trainer.strategy
        return strategy is not None and strategy.root_device.type == "cuda"


def _loader(
    split: GraphDataset,
    batch_size: int,
    sampler: EpochSampler | None,
    num_workers: int,
    *,
    pin_memory: bool,
) -> DataLoader[Sample]:
    return DataLoader(
        split,
        batch_size=batch_size,
        sampler=sampler,
        collate_fn=collate,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=pin_memory,
        drop_last=False,
        # Its own, or each pass would draw from the global one that dropout draws from.
        generator=torch.Generator(),
    )
