"""Stopped in any way, started again: what was done is kept, and the numbers are the same.

`test_batch.py` has Ctrl-C and a training process that dies.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
import torch
from killing import Fault, start_and_kill
from processes import ENDLESS, PATIENCE_SECONDS, epochs_of, numbers, start, wait_for, weights
from projects import assert_no_trace, run_of


def test_a_killed_pipeline_resumed_ends_with_the_same_numbers(trained, cli, project, tmp_path):
    command = ("pipeline", "-m", project.manifest, "--output-root", project.runs, "--jobs", 1)
    kill = Fault("replace", "last.ckpt", 3)
    assert start_and_kill(command, kill, tmp_path / "kill").returncode == -signal.SIGKILL
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


def running(project):
    """Return a run `r` that has no end of its own and has done an epoch."""
    arguments = ("-c", project.config, "--run-name", "r", "--output-root", project.runs)
    process = start("run", *arguments, *ENDLESS)
    wait_for(lambda: epochs_of(project.runs, "r") >= 1, process)
    return process, project.runs / "r"


def test_sigterm_stops_cleanly_and_meanwhile_nobody_else_may_write(project, cli):
    process, run = running(project)
    refused = cli("resume", "--run-dir", run)
    assert refused.status == 2
    assert "r is running" in refused.err
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 143, err
    assert f"topoqa-train resume --run-dir {run}" in err
    assert_no_trace(err)
    assert json.loads((run / "run_metadata.json").read_text())["status"] == "interrupted"
    last = torch.load(run / "model_checkpoints" / "last.ckpt", weights_only=True)
    assert len(numbers(run)) - last["epoch"] in (1, 2)


def test_a_killed_parent_leaves_no_child_behind(project):
    process, run = running(project)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
    assert not alive
    assert json.loads((run / "run_metadata.json").read_text())["status"] == "interrupted"
