"""Every labelled graph of a split counts."""

from __future__ import annotations

import csv
import json

import numpy as np
import torch

from topoqa_train.training.data.collate import collate
from topoqa_train.training.data.dataset import Sample
from topoqa_train.training.data.graphs import read_graph
from topoqa_train.training.engine import network_of

VAL_GRAPHS = 37  # at batches of 16: two full ones and one of five


def labels(path):
    with path.open() as file:
        return {row["MODEL"]: float(row["dockq"]) for row in csv.DictReader(file) if row["dockq"]}


def test_val_loss_is_that_of_a_plain_loop_over_all_graphs(trained):
    run = trained.run("first")
    network = network_of(run / "model_checkpoints" / "last.ckpt")
    network.eval()
    errors = []
    for model, dockq in labels(trained.project.labels("val")).items():
        graph = read_graph(trained.project.graphs / f"{model}.pt")
        with torch.no_grad():
            predicted = network(collate([Sample(graph, dockq, 0)]))
        errors.append((float(predicted) - dockq) ** 2)
    assert len(errors) == VAL_GRAPHS
    with (run / "metrics" / "metrics.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert np.isclose(float(last["val_loss"]), np.mean(errors), rtol=1e-5)


def test_the_run_says_how_many_it_counted(trained):
    run = trained.run("first")
    coverage = json.loads((run / "dataset_coverage.json").read_text())
    assert {split: part["total"] for split, part in coverage.items()} == {
        "train": 42,
        "val": VAL_GRAPHS,
        "test": 18,
    }
    data = json.loads((run / "run_metadata.json").read_text())["data"]
    assert data["graphs"] == {"train": 42, "val": VAL_GRAPHS, "test": 18}


def test_rows_without_a_dockq_are_counted_and_told(trained):
    metadata = json.loads((trained.run("first") / "run_metadata.json").read_text())
    assert metadata["data"]["left_out"] == {"train": 0, "val": 3, "test": 0}
    told = "labels without a finite dockq are left out: 3 of val"
    assert told in metadata["warnings"]
    assert f"first: {told}" in trained.done.err
    assert told in (trained.run("first") / "training_console.log").read_text()
