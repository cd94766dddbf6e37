"""The network as a Lightning module: the steps only; `callbacks` handles the end of an epoch."""

from __future__ import annotations

import math

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from topoqa_train.training.data.collate import GraphBatch


class DockQModule(lightning.LightningModule):
    """Regression of DockQ with mean squared error and Adam.

    It collects the loss of each training batch and the prediction of each validated graph until
    the end of the epoch. `self.log` is not used, because by default it weights a batch by the
    number of its nodes instead of its graphs.
    """

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        super().__init__()
        self.network = network
        self.learning_rate = learning_rate
        self._losses: list[tuple[Tensor, int]] = []
        self._predicted: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: GraphBatch, batch_idx: int) -> Tensor:
        """Return the mean squared error over the graphs of the batch."""
        del batch_idx
        loss = nn.functional.mse_loss(self.network(batch), batch.y)
        self._losses.append((loss.detach(), batch.num_graphs))
        return loss

    def validation_step(self, batch: GraphBatch, batch_idx: int) -> None:
        """Keep the predictions with the positions of their graphs in the split."""
        del batch_idx
        self._predicted.append((batch.index, self.network(batch)))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam as in Han et al. 2025, torch's defaults; `callbacks` steps the scheduler."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)

    def take_train_mse(self) -> float:
        """Return and clear the mean squared error over the graphs of the epoch.

        Each graph counts with the weights at its step. `fsum` makes the sum independent of the
        order of addition.
        """
        # Copied from the device once an epoch: each copy makes the CPU wait for the GPU.
        losses = torch.stack([loss for loss, _ in self._losses]).cpu().double().numpy()
        graphs = np.array([count for _, count in self._losses], dtype=np.float64)
        self._losses.clear()
        return math.fsum((losses * graphs).tolist()) / math.fsum(graphs.tolist())

    def take_predictions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return and clear positions [g] and predictions [g] of the graphs validated last."""
        if not self._predicted:
            return np.empty(0, dtype=np.int64), np.empty(0)
        index = torch.cat([index for index, _ in self._predicted]).cpu().numpy()
        predicted = torch.cat([value for _, value in self._predicted]).cpu().double().numpy()
        self._predicted.clear()
        return index, predicted
