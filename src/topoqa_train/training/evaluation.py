"""Evaluation of a network on a split, outside of training."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import torch
from torch import nn

from topoqa_train import atomic
from topoqa_train.training.data.datamodule import evaluation_loader
from topoqa_train.training.data.dataset import GraphDataset
from topoqa_train.training.metrics import evaluate


def predict(network: nn.Module, split: GraphDataset, batch_size: int) -> np.ndarray:
    """Return the predicted DockQ [g] of every graph of `split`, in its order, on the CPU."""
    network.eval()
    with torch.inference_mode():
        parts = [network(batch).double().numpy() for batch in evaluation_loader(split, batch_size)]
    return np.concatenate(parts)


def split_metrics(split: GraphDataset, scores: np.ndarray) -> dict[str, float]:
    """Return the metrics of `scores` [g] on `split`, by name without the prefix `val_`."""
    values = evaluate(scores, split.dockq, split.target_ids).values
    return {name.removeprefix("val_"): value for name, value in values.items()}


def write_predictions(path: Path, split: GraphDataset, scores: np.ndarray) -> None:
    """Write a CSV with a line per decoy: MODEL, TARGET, dockq, PRED_DOCKQ."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["MODEL", "TARGET", "dockq", "PRED_DOCKQ"])
    for label, score in zip(split.labels, scores, strict=True):
        # repr has as many digits as it takes to read the same number again.
        writer.writerow([label.model, label.target, repr(label.dockq), repr(float(score))])
    atomic.write_text(path, buffer.getvalue())
