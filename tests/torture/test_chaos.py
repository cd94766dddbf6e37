"""Killed at each step of writing and at random moments, a batch ends as if nothing had happened.

The long version is `nox -s chaos`.
"""

from __future__ import annotations

import pytest
from killing import AfterSeconds, Fault, any_kill, difference, outcome, outcomes, until_done
from projects import run_of

ONE_JOB = "shared: {config: config.yaml}\njobs: [{name: first}]\n"
# Every file of an epoch, before it is there, half there, and there while the next is not.
STEPS = {
    "checkpoint": [
        Fault("fsync", "checkpoint.*", 1, "torn"),
        Fault("replace", "checkpoint.*", 2, "before"),
        Fault("replace", "checkpoint.*", 1, "after"),
        Fault("unlink", "checkpoint.*", 1, "before"),
    ],
    "last checkpoint": [
        Fault("fsync", "last.ckpt", 1, "torn"),
        Fault("replace", "last.ckpt", 2, "before"),
        Fault("replace", "last.ckpt", 1, "after"),
    ],
    "row of metrics": [
        Fault("write", "metrics.csv", 1, "torn"),
        Fault("write", "metrics.csv", 2, "after"),
        Fault("replace", "metrics.csv", 1, "before"),
    ],
    "link": [
        Fault("symlink", "latest", 1, "before"),
        Fault("replace", "best.ckpt", 2, "before"),
        Fault("replace", "second_best.ckpt", 1, "after"),
    ],
    "metadata and ledger": [
        # First, while there is no run yet: the config of a run that goes on is not written again.
        Fault("replace", "config.yaml", 1, "before"),
        Fault("fsync", "run_metadata.json", 1, "torn"),
        Fault("replace", "run_metadata.json", 3, "before"),
        Fault("replace", "batch_*.json", 2, "before"),
    ],
}


@pytest.mark.parametrize("kills", STEPS.values(), ids=STEPS)
def test_killed_at_each_step_of_writing(trained, project, cli, tmp_path, kills):
    (project.root / "one.yaml").write_text(ONE_JOB)

    def readers_do_not_mind() -> None:
        assert cli("leaderboard", "--run-root", project.runs).status in (0, 2)

    story = until_done(
        ("batch", "-m", project.root / "one.yaml", "--output-root", project.runs),
        kills,
        tmp_path / "scratch",
        check=readers_do_not_mind,
    )
    assert story.killed == len(kills), story.tried
    assert outcome(run_of(project.runs, "first")) == outcome(trained.run("first"))


def test_killed_at_random(trained, project, tmp_path, rng):
    kills = [any_kill(rng, longest=12) for _ in range(4)] + [AfterSeconds(6)]
    story = until_done(
        ("pipeline", "-m", project.manifest, "--output-root", project.runs),
        kills,
        tmp_path / "scratch",
    )
    assert not difference(outcomes(trained.project.runs), outcomes(project.runs)), story.tried
