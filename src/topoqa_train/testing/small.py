"""Data and a config that train in seconds: random graphs, their labels, two epochs."""

from __future__ import annotations

from pathlib import Path

from topoqa_train.testing.models import graph
from topoqa_train.training.data.graphs import write_graph

_SPLITS = {"train": 3, "val": 2}  # targets
_DECOYS = 4
_CONFIG = """\
paths: {graph: graphs, train_labels: train.csv, val_labels: val.csv}
model: {attention_head: 1}
dataloader: {batch_size: 4}
trainer: {num_epochs: 2, accumulate_grad_batches: 1}
"""


def write_config(folder: Path) -> Path:
    """Fill `folder` with the same data each time, and return the config in it."""
    (folder / "graphs").mkdir(parents=True)
    for split, targets in _SPLITS.items():
        models = [f"{split}{t}_{d}" for t in range(targets) for d in range(_DECOYS)]
        rows = []
        for number, model in enumerate(models):
            one = graph(6 + number % 5, 8, seed=number)
            write_graph(folder / "graphs" / f"{model}.pt", one.x, one.edge_index, one.edge_attr)
            rows.append(f"{model},{float(one.x[:, 0].mean())!r}")
        (folder / f"{split}.csv").write_text("\n".join(["MODEL,dockq", *rows, ""]))
    config = folder / "config.yaml"
    config.write_text(_CONFIG)
    return config
