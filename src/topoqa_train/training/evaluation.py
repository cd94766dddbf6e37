"""Scores of a network on a split, outside any training."""

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
    """Predicted DockQ [g] of every graph of `split`, in its order, on the CPU."""
    network.eval()
    with torch.inference_mode():
        parts = [network(batch).double().numpy() for batch in evaluation_loader(split, batch_size)]
    return np.concatenate(parts)


def figures(split: GraphDataset, scores: np.ndarray) -> dict[str, float]:
    """The metrics of `scores` [g] against the labels of `split`; `val_` is left off the names."""
    values = evaluate(scores, split.dockq, split.target_ids).values
    return {name.removeprefix("val_"): value for name, value in values.items()}


def write_predictions(path: Path, split: GraphDataset, scores: np.ndarray) -> None:
    """One line a decoy: MODEL, TARGET, dockq, PRED_DOCKQ."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["MODEL", "TARGET", "dockq", "PRED_DOCKQ"])
    for label, score in zip(split.labels, scores, strict=True):
        writer.writerow([label.model, label.target, repr(label.dockq), repr(float(score))])
    atomic.write_text(path, buffer.getvalue())
