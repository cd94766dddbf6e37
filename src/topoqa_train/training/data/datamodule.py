"""Loaders over splits in memory: each epoch covers every graph once, also the last short batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import lightning
import torch
from torch.utils.data import DataLoader, Sampler

from topoqa_train.training.data.collate import collate
from topoqa_train.training.data.dataset import GraphDataset, Sample


class EpochSampler(Sampler[int]):
    """Random order of a split that depends only on the seed and the epoch.

    So a resumed training sees the graphs in the same order as an uninterrupted one, and no state of
    a generator has to be saved. Lightning calls `set_epoch`.
    """

    def __init__(self, length: int, seed: int, epoch: int = 0) -> None:
        self.length = length
        self.seed = seed
        self.epoch = epoch

    def set_epoch(self, epoch: int) -> None:
        """Set the next epoch, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[int]:
        # Hashed, because with a sum seed 222 in epoch 1 and seed 223 in epoch 0 would be equal.
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
    """Return batches in the order of `EpochSampler`; the last one may be short."""
    sampler = EpochSampler(len(split), seed, epoch)
    return _loader(split, batch_size, sampler, num_workers, pin_memory=pin_memory)


def evaluation_loader(
    split: GraphDataset, batch_size: int, *, num_workers: int = 0, pin_memory: bool = False
) -> DataLoader[Sample]:
    """Return batches in the order of the split; the last one may be short."""
    return _loader(split, batch_size, None, num_workers, pin_memory=pin_memory)


class GraphDataModule(lightning.LightningDataModule):
    """The loaders of a training; `first_epoch` is more than 0 when resuming.

    On graphs this small, worker processes cost more than they save: 0 is best.
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
        """Return the `training_loader` of this training."""
        return training_loader(
            self.train,
            self.batch_size,
            seed=self.seed,
            epoch=self.first_epoch,
            num_workers=self.num_workers,
            pin_memory=self._to_gpu,
        )

    def val_dataloader(self) -> DataLoader[Sample]:
        """Return the `evaluation_loader` of the validation split."""
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
        # torch's own loader, because torch-geometric's ignores a given `collate_fn`.
        collate_fn=collate,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        pin_memory=pin_memory,
        drop_last=False,
        # Its own, or each pass would draw from the global one that dropout draws from.
        generator=torch.Generator(),
    )
