"""A disk that fills up: the run fails with the reason, what was there stays whole."""

from __future__ import annotations

import json
import subprocess

import pytest
from projects import run_of

from topoqa_train.training import checkpoint

# Room for the config files and two or three checkpoints of some 470 KiB.
SIZE = "1600k"


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of its own; making one takes root on Linux."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if made.returncode:
        pytest.skip(f"a tmpfs can't be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_fails_the_run_and_spares_what_was_there(project, cli, small_disk):
    done = cli("pipeline", "-m", project.manifest, "--output-root", small_disk, "--jobs", 1)
    assert done.status == 1, done.err
    assert "no room left" in done.err
    assert "--output-root" in done.err
    assert done.out == ""
    run = run_of(small_disk, "first")
    document = json.loads((run / "run_metadata.json").read_text())
    assert document["status"] == "failed"
    assert "no room left" in document["error"]["message"]
    # What was written before is whole; nothing that looks like a checkpoint is half of one.
    for file in (run / "model_checkpoints").iterdir():
        assert checkpoint.read(file)["epoch"] >= 0
    assert not list(run.rglob("*.tmp"))
    board = cli("leaderboard", "--run-root", small_disk)
    assert "failed" in board.out

    # With room again, the same command goes on and ends.
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    again = cli(
        "pipeline", "-m", project.manifest, "--output-root", small_disk, "--jobs", 1, "--resume"
    )
    assert again.status == 0, again.err
    assert run_of(small_disk, "first") == run
    rows = (run / "metrics" / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1", "2", "3"]
