"""`summarise` and `monitor` on what a real pipeline left."""

from __future__ import annotations

import csv
import json
import shutil

import jsonschema
import pytest
from documents import REPOSITORY


@pytest.fixture(scope="module")
def schemas():
    folder = REPOSITORY / "docs" / "reference"
    return {
        name: jsonschema.Draft202012Validator(
            json.loads((folder / f"{name}.schema.json").read_text())
        )
        for name in ("summary", "monitor")
    }


def test_of_every_run_all_is_told_and_valid(trained, cli, schemas):
    for run in trained.all:
        summary = json.loads(cli("summarise", "--run-dir", run).out)
        schemas["summary"].validate(summary)
        schemas["monitor"].validate(json.loads(cli("monitor", "--run-dir", run).out))
        assert summary["metadata"] == json.loads((run / "run_metadata.json").read_text())
        assert summary["coverage"] == json.loads((run / "dataset_coverage.json").read_text())
        assert summary["feature_schema"] == json.loads((run / "feature_metadata.json").read_text())
        assert summary["learning_parameters"]["batch_size"] == 16


def test_the_history_is_the_table(trained, cli):
    run = trained.run("first")
    with (run / "metrics" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    history = json.loads(cli("summarise", "--run-dir", run).out)["metrics_history"]
    assert [{name: float(value) for name, value in row.items()} for row in rows] == history


def test_the_best_is_that_of_the_leaderboard_and_of_its_link(trained, cli):
    board = json.loads(cli("leaderboard", "--run-root", trained.project.runs, "--json").out)
    for entry in board["runs"]:
        run = trained.project.runs / entry["run_id"]
        summary = json.loads(cli("summarise", "--run-dir", run).out)
        best = summary["checkpoint_ranking"][0]
        assert best["epoch"] == entry["epoch"]
        assert str(run / best["path"]) == entry["checkpoint"]
        assert summary["best_by_selection_metric"]["metrics"] == best["metrics"]
        links = summary["links"]
        assert {"best.ckpt", "second_best.ckpt", "third_best.ckpt"} <= set(links)
        for link, target in links.items():
            assert (run / "model_checkpoints" / link).resolve().name == target
        monitor = json.loads(cli("monitor", "--run-id", run.name, "--run-root", run.parent).out)
        assert monitor["best"]["epoch"] == best["epoch"]


def test_a_copy_and_one_in_history_tell_the_same(trained, cli, tmp_path):
    run = trained.run("first")
    for folder in (tmp_path / "copy", tmp_path / "runs" / "history"):
        shutil.copytree(run, folder / run.name, symlinks=True)
    here = json.loads(cli("summarise", "--run-dir", run).out)
    copied = json.loads(cli("summarise", "--run-dir", tmp_path / "copy" / run.name).out)
    found = cli("summarise", "--run-id", run.name, "--run-root", tmp_path / "runs")
    for other in (copied, json.loads(found.out)):
        assert other.pop("run_dir") != here["run_dir"]
        assert other == {name: value for name, value in here.items() if name != "run_dir"}


def test_paths_are_relative_to_where_one_is(trained, cli):
    runs = trained.project.runs
    document = json.loads(cli("monitor", "--run-root", "runs", cwd=trained.project.root).out)
    assert document["run_dir"] == f"runs/{(runs / 'latest').resolve().name}"
    assert (trained.project.root / document["best"]["path"]).is_file()
