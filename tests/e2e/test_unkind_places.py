"""Disks that fail at any step, folders that can't be written, file systems without links."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess

import pytest
from killing import Fault, outcome
from mounts import remount, tmpfs
from projects import EXECUTABLE, assert_no_trace, environment, run_of

ONE_JOB = "shared: {config: config.yaml}\njobs: [{name: first}]\n"
FULL, BROKEN = errno.ENOSPC, errno.EIO
# The step of writing that fails, once, and how.
STEPS = [
    Fault("fsync", "checkpoint.*", 2, errno=FULL),
    Fault("replace", "checkpoint.*", 1, errno=BROKEN),
    Fault("fsync", "last.ckpt", 3, errno=BROKEN),
    Fault("replace", "last.ckpt", 1, errno=FULL),
    Fault("fsync", "metrics.csv", 2, errno=FULL),
    Fault("replace", "run_metadata.json", 4, errno=BROKEN),
    Fault("fsync", "run_metadata.json", 2, errno=FULL),
    Fault("fsync", "config.yaml", 1, errno=FULL),
    Fault("replace", "batch_*.json", 2, errno=FULL),
    Fault("fsync", "batch_*.json", 1, errno=BROKEN),
    Fault("mkdir", "metrics", 1, errno=FULL),
]


@pytest.fixture
def batch(project):
    (project.root / "one.yaml").write_text(ONE_JOB)
    return ("batch", "-m", project.root / "one.yaml", "--output-root", project.runs)


def started(command, fault, folder):
    done = subprocess.run(
        [EXECUTABLE, *map(str, command)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment(**fault.environment(folder)),
        check=False,
    )
    assert_no_trace(done.stderr)
    return done


def written(step: Fault) -> str:
    return f"{step.step} {step.file} {step.nth} {errno.errorcode[step.errno]}"


@pytest.mark.parametrize("fault", STEPS, ids=written)
def test_a_disk_that_fails_once(trained, project, batch, cli, tmp_path, fault):
    done = started(batch, fault, tmp_path / "fault")
    if done.returncode:
        assert done.returncode == 1, done.stderr
        reason = "no space left" if fault.errno == FULL else os.strerror(BROKEN)
        assert reason.lower() in done.stderr.lower(), done.stderr
        board = json.loads(cli("leaderboard", "--run-root", project.runs, "--json").out or "{}")
        states = [run["status"] for run in board.get("runs", ())]
        assert set(states) <= {"failed", "interrupted"}
        again = cli(*batch, "--resume")
        assert again.status == 0, again.err
    assert outcome(run_of(project.runs, "first")) == outcome(trained.run("first"))
    assert not list(project.runs.rglob("*.tmp"))


def test_without_links_there_are_copies_and_the_same_numbers(
    trained, project, batch, cli, tmp_path
):
    no_links = Fault("symlink", "*", 0, errno=errno.EPERM)
    done = started(batch, no_links, tmp_path / "fault")
    assert done.returncode == 0, done.stderr
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
