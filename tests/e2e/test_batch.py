"""Every job of a manifest through the real executable: killed, stopped, resumed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
from processes import epochs_of, numbers, start, wait_for
from projects import run_of

LONG = (
    "-o", "jobs.first.overrides.trainer.num_epochs=100000",
    "-o", "jobs.first.overrides.early_stopping.patience=100000",
)  # fmt: skip


def states(out: str) -> dict[str, str]:
    """Job to state, from the table of a batch."""
    rows = [line for line in out.splitlines() if line.startswith(("first ", "second "))]
    return {row.split()[0]: row[8:].split("  ")[0].strip() for row in rows}


def runs_of(runs: Path, job: str) -> list[Path]:
    return sorted(path.parent for path in runs.glob(f"{job}_*/run_metadata.json"))


def test_a_job_that_dies_is_told_the_others_go_on_and_only_it_is_begun_anew(trained, cli, project):
    batch = ("batch", "-m", project.manifest, "--output-root", project.runs, "--jobs", 1)
    process = start(*batch, "--continue-on-error", *LONG)
    wait_for(lambda: epochs_of(project.runs, "first_") >= 2, process)
    for child in psutil.Process(process.pid).children(recursive=True):
        os.kill(child.pid, signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == 1, err
    assert states(out) == {"first": "failed", "second": "done"}
    (second,) = runs_of(project.runs, "second")
    assert str(second) in out
    assert "killed (SIGKILL)" in err
    assert "--only failed" in err
    assert "Traceback" not in err
    (log,) = project.runs.glob("batch_manifest_*.log")
    assert "first: the training process was killed (SIGKILL)" in log.read_text()

    again = cli(*batch, "--only", "failed")
    assert again.status == 0, again.err
    assert states(again.out) == {"first": "done", "second": "done before"}
    _, first = runs_of(project.runs, "first")
    assert numbers(first) == numbers(trained.run("first"))
    assert runs_of(project.runs, "second") == [second]

    nothing = cli(*batch, "--resume")
    assert nothing.status == 0, nothing.err
    assert nothing.err == "Nothing to do: every job of manifest.yaml is done.\n"
    assert states(nothing.out) == {"first": "done before", "second": "done before"}


def test_stopped_it_shows_how_far_it_came_and_resumed_ends_with_the_same_numbers(
    trained, cli, project
):
    batch = ("batch", "-m", project.manifest, "--output-root", project.runs, "--jobs", 1)
    process = start(*batch)
    wait_for(lambda: epochs_of(project.runs, "first_") >= 1, process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert set(states(out)) == {"first", "second"}
    assert "done" in states(out)["first"] or states(out)["first"] == "interrupted"
    assert "the same command and --resume" in err

    # Nothing is begun anew without a word.
    plan = cli(*batch, "--dry-run")
    assert "did not finish" in plan.err
    assert "--resume continues it" in plan.err

    done = cli(*batch, "--resume")
    assert done.status == 0, done.err
    assert set(states(done.out).values()) <= {"done", "done before"}
    for job in ("first", "second"):
        assert numbers(run_of(project.runs, job)) == numbers(trained.run(job))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--only", "failed"), "no batch of manifest.yaml"),
        (("--only", "missing", "--resume"), "--resume continues jobs"),
        (("-o", "jobs.third.notes=x"), "no job of that name"),
        (("-o", "shared.overrides.trainer.num_epoch=3"), "num_epochs"),
        (("-o", "jobs.second.overrides.paths.val_labels=nowhere.csv"), "nowhere.csv"),
        (("--output-root", "train.csv"), "runs can't go to"),
    ],
)
def test_wrong_requests_start_nothing(arguments, says, project, cli):
    root = () if "--output-root" in arguments else ("--output-root", project.runs)
    done = cli("batch", "-m", project.manifest, *root, *arguments, cwd=project.root)
    assert done.status == 2, done.err
    assert says in done.err
    assert done.out == ""
    assert not list(project.runs.glob("*"))


def test_a_dry_run_finds_what_only_the_networks_tell(project, cli):
    done = cli(
        "batch", "-m", project.manifest, "--output-root", project.runs, "--dry-run",
        "-o", "jobs.second.overrides.model.architecture=gat",
        "-o", "jobs.first.trainer_args=[max_epoch=3]",
    )  # fmt: skip
    assert done.status == 2, done.err
    for words in ("first", "max_epoch", "second", "proteingat"):
        assert words in done.err
    assert done.out == ""
    assert not project.runs.exists()
