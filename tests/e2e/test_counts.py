"""Every labelled graph of a split counts."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import scipy.stats
import torch

from topoqa_train.training.data.collate import collate
from topoqa_train.training.data.dataset import Sample
from topoqa_train.training.data.graphs import read_graph
from topoqa_train.training.engine import network_of

VAL_GRAPHS = 37  # at batches of 16: two full ones and one of five


def labels(path):
    with path.open() as file:
        return {row["MODEL"]: float(row["dockq"]) for row in csv.DictReader(file) if row["dockq"]}


def predicted_and_measured(trained, checkpoint):
    """Of every labelled decoy of val, graph by graph, without any of the pipeline's batching."""
    network = network_of(checkpoint)
    network.eval()
    measured = labels(trained.project.labels("val"))
    predicted = []
    for model, dockq in measured.items():
        graph = read_graph(trained.project.graphs / f"{model}.pt")
        with torch.no_grad():
            predicted.append(float(network(collate([Sample(graph, dockq, 0)]))))
    assert len(predicted) == VAL_GRAPHS
    return np.array(predicted), np.array(list(measured.values()))


def rows(run):
    with (run / "metrics" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_val_loss_is_that_of_a_plain_loop_over_all_graphs(trained):
    run = trained.run("first")
    predicted, dockq = predicted_and_measured(trained, run / "model_checkpoints" / "last.ckpt")
    assert np.isclose(
        float(rows(run)[-1]["val_loss"]), np.mean((predicted - dockq) ** 2), rtol=1e-5
    )


@pytest.mark.parametrize("link", ["best.ckpt", "second_best.ckpt", "third_best.ckpt"])
def test_a_ranked_checkpoint_gives_the_metric_that_it_is_ranked_by(trained, link):
    for run in trained.all:
        file = (run / "model_checkpoints" / link).resolve()
        predicted, dockq = predicted_and_measured(trained, file)
        loss = np.mean((predicted - dockq) ** 2)
        correlation = scipy.stats.spearmanr(predicted, dockq).statistic
        row = rows(run)[int(file.stem.rpartition("epoch")[2])]
        assert np.isclose(float(row["val_loss"]), loss, rtol=1e-5)
        assert np.isclose(float(row["val_spearman_corr"]), correlation, rtol=1e-5)
        # The rank's own figure, as it stands in the name: val_loss less Spearman, the lower the
        # better.
        named = float(re.search(r"sel-(-?\d+\.\d+)_", file.name)[1])
        assert named == pytest.approx(loss - correlation, abs=1e-5)


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
