"""A disk that fails once, at any step of writing: the reason is reported, and it can be resumed."""

from __future__ import annotations

import errno
import json
import os
import subprocess

import pytest
from killing import Fault, outcome
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
def test_a_disk_that_fails_once(trained, project, cli, tmp_path, fault):
    (project.root / "one.yaml").write_text(ONE_JOB)
    batch = ("batch", "-m", project.root / "one.yaml", "--output-root", project.runs)
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
