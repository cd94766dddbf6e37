"""A small project with graphs that can be learnt, and the environment to run it in."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from topoqa_train import api

EXECUTABLE = Path(sysconfig.get_path("scripts")) / "topoqa-train"
SPLITS = {"train": (6, 7), "val": (4, 10), "test": (3, 6)}  # targets, decoys each
VAL_GRAPHS = 37  # three labels of val have no dockq: no multiple of the batch size
NODE_DIM, EDGE_DIM = 7, 3  # not TopoQA's: nothing may be hard-coded
SEED = 20260131


@dataclass(frozen=True)
class Project:
    """A folder with graphs, labels, a config and a manifest."""

    root: Path
    graphs: Path = field(init=False)
    config: Path = field(init=False)
    manifest: Path = field(init=False)
    runs: Path = field(init=False)

    def __post_init__(self) -> None:
        for name, part in (
            ("graphs", "graphs"),
            ("config", "config.yaml"),
            ("manifest", "manifest.yaml"),
            ("runs", "runs"),
        ):
            object.__setattr__(self, name, self.root / part)

    def labels(self, split: str) -> Path:
        return self.root / f"{split}.csv"


def write_graphs(folder: Path, models: Sequence[str], rng: np.random.Generator) -> list[float]:
    """Graphs whose DockQ can be learnt: it is the mean of the first node column."""
    labels = []
    for model in models:
        nodes = int(rng.integers(6, 14))
        x = rng.random((nodes, NODE_DIM), dtype=np.float32)
        x[:, 0] = np.clip(rng.random() + 0.05 * rng.standard_normal(nodes), 0, 1)
        pairs = [(i, j) for i in range(nodes) for j in range(i + 1, nodes) if rng.random() < 0.4]
        edges = np.array([edge for i, j in pairs for edge in ((i, j), (j, i))], dtype=np.int64)
        edge_attr = np.repeat(rng.random((len(pairs), EDGE_DIM), dtype=np.float32), 2, axis=0)
        edge_index = edges.reshape(-1, 2).T
        api.write_graph(folder / f"{model}.pt", x, edge_index, edge_attr)
        labels.append(float(x[:, 0].mean()))
    return labels


CONFIG = """\
# A small network for tests.
paths:
  graph: graphs
  train_labels: train.csv
  val_labels: val.csv
  test_labels: test.csv
model: {attention_head: 2}
dataloader: {batch_size: 16, num_workers: 0, seed: 3}
trainer: {num_epochs: 4, accumulate_grad_batches: 2}   # 42 graphs: 3 batches, 2 steps
optimizer: {learning_rate: 0.01}
scheduler: {factor: 0.2, patience: 1}
early_stopping: {patience: 10}
"""
MANIFEST = """\
shared:
  config: config.yaml
jobs:
  - {name: first}
  - {name: second, overrides: {optimizer.learning_rate: 0.02}}
fine_tune:
  phase1: {config: fine.yaml}
  phase2: {config: "fine_seed{seed}.yaml", seeds: [5, 6]}
"""


def make_project(root: Path) -> Project:
    project = Project(root)
    project.graphs.mkdir(parents=True)
    rng = np.random.default_rng(SEED)
    for split, (targets, decoys) in SPLITS.items():
        models = [f"{split}{t}_{d:03d}" for t in range(targets) for d in range(decoys)]
        rows = [
            f"{model},{label!r}"
            for model, label in zip(models, write_graphs(project.graphs, models, rng), strict=True)
        ]
        if split == "val":
            rows[:3] = [row.split(",")[0] + "," for row in rows[:3]]
        project.labels(split).write_text("\n".join(["MODEL,dockq", *rows]) + "\n")
    project.config.write_text(CONFIG)
    fine = CONFIG.replace("learning_rate: 0.01", "learning_rate: 0.001")
    (root / "fine.yaml").write_text(fine)
    for seed in (5, 6):
        (root / f"fine_seed{seed}.yaml").write_text(fine.replace("seed: 3", f"seed: {seed}"))
    project.manifest.write_text(MANIFEST)
    return project


def environment(**changes: str) -> dict[str, str]:
    """Ours, less what a developer may have set for topoqa-train."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TOPOQA_TRAIN_") and name not in ("COLUMNS", "FORCE_COLOR")
    }
    return {**kept, **changes}


def assert_no_trace(said: str) -> None:
    """Neither Python's trace nor what the command line makes of an error of its own."""
    assert "Traceback" not in said, said
    assert "Please report it" not in said, said


def run_of(runs: Path, job: str) -> Path:
    """The one run of a job of a sweep; those that fine-tune it bear its name too."""
    (found,) = [
        path.parent
        for path in runs.glob(f"{job}_*/run_metadata.json")
        if "phase" not in path.parent.name
    ]
    return found
