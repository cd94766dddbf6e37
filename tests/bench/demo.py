"""The demo's winner on the demo's test complexes, beside what it should beat.

`python -m tests.bench.demo [RUNS]`, after `topoqa-train pipeline`. The published weights are used
where they lie beside the checkout; they are not ours to ship.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from topoqa_train import datasets
from topoqa_train.clock import SystemClock
from topoqa_train.inspection import leaderboard
from topoqa_train.launch.job import DataFiles
from topoqa_train.runs.store import RunStore, root_of_runs
from topoqa_train.training.checkpoints.published import load_published
from topoqa_train.training.data.dataset import GraphDataset
from topoqa_train.training.data.load import load_data
from topoqa_train.training.engine import network_of
from topoqa_train.training.evaluation import predict, split_metrics
from topoqa_train.ui.live.progress import progress

BATCH = 16
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "peer" / "topoqa.ckpt"
COLUMNS = ("target_spearman", "ranking_loss", "top1_acceptable", "top1_medium", "top10_high")


def interface_size(split: GraphDataset) -> np.ndarray:
    """Number of interface residues [g]: the plainest score there is."""
    return np.array([split.graph(number).num_nodes for number in range(len(split))], dtype=float)


def main() -> None:
    store = RunStore(root_of_runs(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
    files = DataFiles.of(datasets.prepare("demo", progress))
    test = load_data(files.labels(), graph_dir=files.graph).test
    winner = leaderboard.build(store, SystemClock()).winner()
    if test is None or winner is None or winner.best is None:
        sys.exit("there is no finished run on the demo data: topoqa-train pipeline")
    scores = {
        f"winner, {winner.run.paths.run_id}": predict(network_of(winner.best.path), test, BATCH),
        "interface size": interface_size(test),
    }
    if PUBLISHED.is_file():
        scores["published weights"] = predict(load_published(PUBLISHED), test, BATCH)
    table = Table(title=f"{len(test.targets)} test complexes, {len(test)} decoys", box=None)
    table.add_column("ranked by")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for name, values in scores.items():
        found = split_metrics(test, values)
        table.add_row(name, *(f"{found[column]:.3f}" for column in COLUMNS))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
