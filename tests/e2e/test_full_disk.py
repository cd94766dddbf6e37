"""A disk that fills up: the run fails with the reason, what was there stays whole."""

from __future__ import annotations

import json

import pytest
from mounts import remount, tmpfs
from projects import run_of

# Room for the config files and two or three checkpoints of some 470 KiB.
SIZE = "1600k"


@pytest.fixture
def small_disk(tmp_path):
    with tmpfs(tmp_path / "disk", f"size={SIZE}"):
        yield tmp_path / "disk"


def test_a_full_disk_fails_the_run_and_spares_what_was_there(project, cli, small_disk):
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
        assert file.read(file)["epoch"] >= 0
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
