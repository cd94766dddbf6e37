"""Run directories of the previous pipeline, through the real executable: read, never changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import (
    ELSEWHERE,
    FLAT_CONFIG,
    Measured,
    metadata,
    table,
    training,
    write_legacy_run,
)

Cli = Callable[..., Any]
STATES = ("completed", "running", "interrupted", "failed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Months of runs: whole, of a resumed training, half written, without metadata, archived."""
    root = tmp_path / "training_runs"
    history = training(40)
    write_legacy_run(root, "sched_boost_seed222_2025-11-03_09-15-02", history)
    write_legacy_run(root, "by_selection", history, names="sel", links="elsewhere")
    resumed = {
        "metrics/cpu_training_version_2.csv": table(history[:25], order="train first"),
        "metrics/cpu_training_version_10.csv": table(history[20:], first=20, rates=[0.001] * 20),
    }
    write_legacy_run(root, "resumed", history, metrics=resumed, names="bare", links="relative")
    stopped = metadata("stopped", completed=None, selection=..., runtime=None, created=1762161302)
    half = table([*history[:7], Measured(None, None, 0.03)])
    options = {"metrics": {"gpu_training/version_0/metrics.csv": half}, "config": FLAT_CONFIG}
    write_legacy_run(root, "stopped", history[:7], document=stopped, **options)
    for file in (root / "stopped").rglob("*"):
        os.utime(file, (1.7e9, 1.7e9), follow_symlinks=False)
    write_legacy_run(root, "without_metadata", history, document="", links="broken")
    write_legacy_run(root / "history", "old", training(60, seed=7))
    write_legacy_run(root, "no_json", history, document='{"run_name": NaN')
    (root / "latest").symlink_to(f"{ELSEWHERE}/training_runs/resumed")
    return root


def fingerprint(root: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(root.rglob("*")):
        told = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        target = str(path.readlink()) if path.is_symlink() else ""
        digest = hashlib.sha256(content).hexdigest()
        found[str(path.relative_to(root))] = (told.st_mtime_ns, told.st_mode, target, digest)
    return found


def test_every_reader_reads_every_run_and_leaves_it_as_it_was(
    cli: Cli, root: Path, tmp_path: Path
) -> None:
    before = fingerprint(root)
    board = json.loads(cli("leaderboard", "--json", cwd=tmp_path).out)
    assert board["metric"] == "val_loss"
    runs = {run["run_id"]: run for run in board["runs"]}
    assert set(runs) == {
        "sched_boost_seed222_2025-11-03_09-15-02",
        *("by_selection", "resumed", "stopped", "without_metadata", "old", "no_json"),
    }
    assert runs["stopped"]["status"] == "interrupted"
    assert board["runs"][0]["rank"] == 1
    assert board["runs"][-1]["run_id"] == "stopped"
    for name, run in runs.items():
        checkpoint = Path(run["checkpoint"])
        assert run["read_only"] is True
        assert checkpoint.read_text() == f"weights of epoch {run['epoch']}"
        assert f"{run['value']:.5f}" in checkpoint.name
        assert run["value"] == run["metrics"]["val_loss"]
        document = json.loads(cli("summarise", "--run-id", name, cwd=tmp_path).out)
        assert document["read_only"] is True
        assert document["best_by_val_loss"]["epoch"] == run["epoch"]
        epochs = [row["epoch"] for row in document["metrics_history"]]
        assert epochs == list(range(len(epochs)))
        looked = json.loads(cli("monitor", "--run-id", name, cwd=tmp_path).out)
        assert looked["status"] == run["status"]
    assert (
        len(
            json.loads(cli("summarise", "--run-id", "stopped", cwd=tmp_path).out)["metrics_history"]
        )
        == 7
    )
    assert fingerprint(root) == before


def test_for_people_each_is_a_line_with_its_state(cli: Cli, root: Path, tmp_path: Path) -> None:
    done = cli("leaderboard", cwd=tmp_path, COLUMNS="80")
    assert done.status == 0
    heading, *lines = done.out.splitlines()
    assert all(len(line) <= 80 for line in [heading, *lines[:7]])
    assert any("stopped  (interrupted)" in line for line in lines)
    assert "selection settings" in done.err
    (following,) = [line for line in lines if line.startswith("Next:")]
    assert cli(*following.split()[2:], cwd=tmp_path).status == 0


def test_latest_of_another_machine_is_the_run_of_that_name(
    cli: Cli, root: Path, tmp_path: Path
) -> None:
    looked = json.loads(cli("monitor", cwd=tmp_path).out)
    assert looked["run_id"] == "resumed"
    assert looked["learning_rate"]["value"] == 0.001
    followed = cli("monitor", "--run-id", "resumed", "--follow", cwd=tmp_path)
    assert followed.status == 0
    assert len(followed.out.splitlines()) == 1


@pytest.mark.parametrize("name", ["resumed", "stopped", "without_metadata"])
def test_none_is_resumed(cli: Cli, root: Path, tmp_path: Path, name: str) -> None:
    before = fingerprint(root)
    done = cli("resume", "--run-id", name, cwd=tmp_path)
    assert done.status == 2
    assert "run of the previous pipeline" in done.err
    assert fingerprint(root) == before
