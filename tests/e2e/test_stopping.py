"""Stopped in any way, started again: what was done is kept, and the numbers are the same."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from processes import PATIENCE_SECONDS, epochs_of, numbers, start, wait_for, weights
from projects import assert_no_trace, run_of


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_pipeline_resumed_ends_with_the_same_numbers(trained, cli, project, workers):
    command = (
        "pipeline", "-m", project.manifest, "--output-root", project.runs, "--jobs", 1,
        "--num-workers", workers,
    )  # fmt: skip
    process = start(*command)
    wait_for(lambda: epochs_of(project.runs, "first_") >= 2, process)
    killed = [process.pid, *children_of(process.pid)]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    board = cli("leaderboard", "--run-root", project.runs)
    assert "interrupted" in board.out

    done = cli(*command, "--resume")
    assert done.status == 0, done.err
    for job in ("first", "second"):
        undisturbed, resumed = trained.run(job), run_of(project.runs, job)
        assert numbers(resumed) == numbers(undisturbed)
        for link in ("best.ckpt", "second_best.ckpt", "third_best.ckpt", "last.ckpt"):
            file = Path("model_checkpoints") / link
            assert weights(resumed / file) == weights(undisturbed / file)


def children_of(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_signal_stops_cleanly_after_the_batch(project, number, status):
    process = start(
        "run", "-c", project.config, "--run-name", "r", "--output-root", project.runs,
        "-o", "trainer.num_epochs=100000", "-o", "early_stopping.patience=100000",
    )  # fmt: skip
    wait_for(lambda: epochs_of(project.runs, "r") >= 2, process)
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == status, err
    assert f"topoqa-train resume --run-dir {project.runs / 'r'}" in err
    assert_no_trace(err)
    document = json.loads((project.runs / "r" / "run_metadata.json").read_text())
    assert document["status"] == "interrupted"
    last = torch.load(project.runs / "r" / "model_checkpoints" / "last.ckpt", weights_only=True)
    assert len(numbers(project.runs / "r")) - last["epoch"] in (1, 2)


def test_a_killed_parent_leaves_no_child_behind(project):
    process = start(
        "run", "-c", project.config, "--run-name", "r", "--output-root", project.runs,
        "-o", "trainer.num_epochs=100000", "-o", "early_stopping.patience=100000",
    )  # fmt: skip
    import psutil

    wait_for(lambda: epochs_of(project.runs, "r") >= 1, process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
    assert not alive
    document = json.loads((project.runs / "r" / "run_metadata.json").read_text())
    assert document["status"] == "interrupted"


def test_a_killed_child_fails_its_run_with_the_reason(project):
    process = start(
        "run", "-c", project.config, "--run-name", "r", "--output-root", project.runs,
        "-o", "trainer.num_epochs=100000", "-o", "early_stopping.patience=100000",
    )  # fmt: skip
    wait_for(lambda: epochs_of(project.runs, "r") >= 1, process)
    for pid in children_of(process.pid):
        os.kill(pid, signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == 1
    assert "killed (SIGKILL)" in err
    document = json.loads((project.runs / "r" / "run_metadata.json").read_text())
    assert document["status"] == "failed"
    assert "SIGKILL" in document["error"]["message"]
