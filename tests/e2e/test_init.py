"""A folder of one's own, from a build's output to a ranked pipeline, by the lines it says."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from projects import Project


def merged(project: Project) -> Path:
    """All labels of the project in one file, in a folder that looks as `graphs build` leaves it."""
    folder = project.root / "mine"
    folder.mkdir()
    project.graphs.rename(folder / "graph_data")
    rows = [
        row
        for split in ("train", "val", "test")
        for row in csv.DictReader(project.labels(split).open(newline=""))
        if row["dockq"]
    ]
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["MODEL", "dockq"], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    return folder


def test_the_pipeline_runs_in_the_folder_as_it_is(project: Project, cli: Any) -> None:
    folder = merged(project)
    done = cli("init", folder, "--test-share", "0.2", cwd=project.root)
    assert done.status == 0, done.err
    assert "  cd mine" in done.out.splitlines()
    labelled = {
        split: [row["MODEL"] for row in csv.DictReader((folder / f"labels/{split}.csv").open())]
        for split in ("train", "val", "test")
    }
    targets = {split: {name.split("_")[0] for name in names} for split, names in labelled.items()}
    assert sum(map(len, targets.values())) == len(set.union(*targets.values()))
    assert sum(map(len, labelled.values())) == 97

    rehearsed = cli("pipeline", "--dry-run", cwd=folder)
    assert rehearsed.status == 0, rehearsed.err
    assert not (folder / "training_runs").exists() or not list(
        (folder / "training_runs").glob("*/run_metadata.json")
    )
    done = cli("pipeline", "-o", "trainer.num_epochs=2", cwd=folder)
    assert done.status == 0, done.err
    board = json.loads(cli("leaderboard", "--json", cwd=folder).out)
    assert len(board["runs"]) == 7
    assert {run["status"] for run in board["runs"]} == {"completed"}
    for run in board["runs"]:
        document = json.loads((Path(run["run_dir"]) / "run_metadata.json").read_text())
        graphs = {split: len(names) for split, names in labelled.items()}
        assert document["data"]["graphs"] == graphs
    seeds = [name for name in (run["run_id"] for run in board["runs"]) if "_phase2_seed" in name]
    assert sorted(name.rpartition("seed")[2][:3] for name in seeds) == ["101", "555", "888"]


def test_the_folder_of_the_demo_is_checked_by_the_pipeline(tmp_path: Path, cli: Any) -> None:
    assert cli("init", "mine", cwd=tmp_path).status == 0
    shown = cli("config", "show", "--job", "sched_boost_seed222", "--json", cwd=tmp_path / "mine")
    document = json.loads(shown.out)
    values = {value["key"]: value for value in document["values"]}
    assert values["paths.dataset"]["value"] == "demo"
    assert document["config"] == str((tmp_path / "mine/configs/train.yaml").resolve())
    assert document["manifest"] == str((tmp_path / "mine/manifests/run_core.yaml").resolve())


def test_labels_without_graphs_are_filtered_by_the_line_that_is_shown(
    project: Project, cli: Any
) -> None:
    folder = merged(project)
    (folder / "graph_data" / "train0_000.pt").unlink()
    data = ("--graphs", "mine", "--labels", "mine/labels.csv")
    refused = cli("init", "own", *data, cwd=project.root)
    assert refused.status == 2
    assert "train0_000" in refused.err
    assert not (project.root / "own").exists()
    (line,) = [line for line in refused.err.splitlines() if line.startswith("topoqa-train data")]
    filtered = cli(*line.split()[1:], cwd=project.root)
    assert filtered.status == 0, filtered.err
    assert "96 of 97 rows kept" in filtered.out
    sound = ("--graphs", "mine", "--labels", "mine/valid_labels.csv")
    assert cli("init", "own", *sound, cwd=project.root).status == 0


@pytest.mark.parametrize("name", ["run_core", "run_extended"])
def test_the_folder_s_own_manifests_go_by_name(tmp_path: Path, cli: Any, name: str) -> None:
    assert cli("init", ".", cwd=tmp_path).status == 0
    arguments = ("config", "show", "-m", name, "--job", "large_batch_sched_boost_seed222", "--json")
    document = json.loads(cli(*arguments, cwd=tmp_path).out)
    assert document["manifest"] == str((tmp_path / "manifests" / f"{name}.yaml").resolve())
