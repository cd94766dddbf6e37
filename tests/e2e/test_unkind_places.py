"""Full disks, folders that can't be written, file systems without links."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from killing import outcome
from mounts import remount, tmpfs
from projects import run_of

ONE_JOB = "shared: {config: config.yaml}\njobs: [{name: first}]\n"
# Room for the config files and two or three checkpoints of some 470 KiB.
SIZE = "1600k"


def test_a_full_disk_fails_the_run_and_spares_what_was_there(project, cli, tmp_path):
    with tmpfs(tmp_path / "disk", f"size={SIZE}"):
        fill_up(project, cli, tmp_path / "disk")


def fill_up(project, cli, small_disk):
    done = cli("pipeline", "-m", project.manifest, "--output-root", small_disk, "--jobs", 1)
    assert done.status == 1, done.err
    assert "no space left" in done.err
    assert "--output-root" in done.err
    assert done.out == ""
    run = run_of(small_disk, "first")
    document = json.loads((run / "run_metadata.json").read_text())
    assert document["status"] == "failed"
    assert "no space left" in document["error"]["message"]
    # What was written before is whole; nothing that looks like a checkpoint is half of one.
    for file in (run / "model_checkpoints").iterdir():
        assert torch.load(file, weights_only=True)["epoch"] >= 0
    assert not list(run.rglob("*.tmp"))
    board = cli("leaderboard", "--run-root", small_disk)
    assert "failed" in board.out

    # With room again, the same command goes on and ends.
    remount(small_disk, "size=200m")
    again = cli(
        "pipeline", "-m", project.manifest, "--output-root", small_disk, "--jobs", 1, "--resume"
    )
    assert again.status == 0, again.err
    assert run_of(small_disk, "first") == run
    rows = (run / "metrics" / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1", "2", "3"]


def test_without_links_there_are_copies_and_the_same_numbers(trained, project, cli, no_links):
    (project.root / "one.yaml").write_text(ONE_JOB)
    done = cli("batch", "-m", project.root / "one.yaml", "--output-root", project.runs)
    assert done.status == 0, done.err
    run, undisturbed = run_of(project.runs, "first"), trained.run("first")
    found, expected = outcome(run), outcome(undisturbed)
    assert (found["metrics"], found["weights"]) == (expected["metrics"], expected["weights"])
    assert not any(path.is_symlink() for path in project.runs.rglob("*"))
    for command in ("summarise", "monitor"):
        told = json.loads(cli(command, "--run-root", project.runs).out)
        assert told["run_id"] == run.name
    ranking = json.loads(cli("summarise", "--run-dir", run).out)["checkpoint_ranking"]
    assert [entry["links"] for entry in ranking[1:]] == [["second_best.ckpt"], ["third_best.ckpt"]]


@pytest.fixture
def read_only(trained, tmp_path):
    """The session's runs on a file system that can't be written."""
    with tmpfs(tmp_path / "archive"):
        runs = tmp_path / "archive" / "runs"
        shutil.copytree(trained.project.runs, runs, symlinks=True)
        remount(tmp_path / "archive", "ro")
        yield runs


def test_runs_that_can_only_be_read(trained, read_only, cli, project):
    for command in (
        ("leaderboard", "--run-root", read_only),
        ("summarise", "--run-root", read_only, "--run-id", trained.run("first").name),
        ("monitor", "--run-root", read_only),
    ):
        done = cli(*command)
        assert done.status == 0, done.err
    run = read_only / trained.run("first").name
    for command in (
        ("run", "-c", project.config, "--output-root", read_only),
        ("batch", "-m", project.manifest, "--output-root", read_only),
        ("pipeline", "-m", project.manifest, "--output-root", read_only),
        ("resume", "--run-dir", run, "-o", "trainer.num_epochs=9"),
    ):
        done = cli(*command)
        assert done.status in (1, 2), done.err
        assert "read-only" in done.err.lower() or "can't be written" in done.err, done.err
        assert len(done.err.splitlines()) < 15
    # From there, what is fine-tuned goes elsewhere.
    tuned = cli(
        "run", "-c", project.config, "--resume-from", run / "model_checkpoints" / "best.ckpt",
        "--fast-dev-run", "--output-root", project.runs,
    )  # fmt: skip
    assert tuned.status == 0, tuned.err
