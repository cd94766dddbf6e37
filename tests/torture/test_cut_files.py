"""Each file that says how far things came, cut anywhere: it is mended or named, and never lies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cutting import FILES_OF_A_RUN, check_readers
from killing import kill_tree, outcome
from processes import epochs_of, numbers, start, wait_for, weights
from projects import Project

ONE_JOB = "shared: {config: config.yaml}\njobs: [{name: first}]\n"


@pytest.fixture(scope="module")
def copied(trained, tmp_path_factory):
    root = tmp_path_factory.mktemp("cut") / "runs"
    shutil.copytree(trained.project.runs, root, symlinks=True)
    return root


@pytest.mark.parametrize("name", FILES_OF_A_RUN)
def test_readers_of_a_run(trained, copied, name):
    run = copied / trained.run("first").name
    check_readers(run, name, range((run / name).stat().st_size))


def test_a_table_of_runs_has_all_that_can_be_read(trained, copied, cli, rng):
    run = copied / trained.run("first").name
    for name in FILES_OF_A_RUN:
        whole = (run / name).read_bytes()
        (run / name).write_bytes(whole[: rng.randrange(len(whole))])
    for command in ("leaderboard", "summarise", "monitor"):
        options = () if command == "leaderboard" else ("--run-id", run.name)
        done = cli(command, "--run-root", copied, *options)
        assert done.status in (0, 2), done.err
        assert done.out or "first_" in done.err
    shutil.rmtree(run)
    shutil.copytree(trained.run("first"), run, symlinks=True)


@pytest.fixture(scope="module")
def killed(base_project, tmp_path_factory):
    """A batch that was killed in its third epoch, and a copy of its runs to begin from again."""
    root = tmp_path_factory.mktemp("killed")
    shutil.copytree(base_project.root, root / "p", ignore=shutil.ignore_patterns("runs"))
    project = Project(root / "p")
    (project.root / "one.yaml").write_text(ONE_JOB)
    process = start(*batch(project))
    wait_for(lambda: epochs_of(project.runs, "first_") >= 2, process)
    kill_tree(process)
    shutil.copytree(project.runs, root / "kept", symlinks=True)
    return project, root / "kept"


def batch(project: Project) -> tuple[object, ...]:
    return ("batch", "-m", project.root / "one.yaml", "--output-root", project.runs)


@pytest.mark.parametrize(
    "pattern",
    [
        "first_*/run_metadata.json",
        "first_*/metrics/metrics.csv",
        "first_*/config/config.yaml",
        "first_*/dataset_coverage.json",
        "first_*/feature_metadata.json",
        "first_*/model_checkpoints/last.ckpt",
        "first_*/model_checkpoints/checkpoint*",
        ".ledgers/batch_*.json",
    ],
)
def test_the_same_command_goes_on_or_names_it(trained, killed, cli, rng, pattern):
    project, kept = killed
    shutil.rmtree(project.runs)
    shutil.copytree(kept, project.runs, symlinks=True)
    file = sorted(project.runs.glob(pattern))[0]
    whole = file.read_bytes()
    length = rng.randrange(len(whole))
    file.write_bytes(whole[:length])
    done = cli(*batch(project), "--resume")
    if done.status == 2:
        assert file.name in done.err.replace("\n", ""), (length, done.err)
        assert file.read_bytes() == whole[:length]
        return
    assert done.status == 0, (length, done.err)
    (run,) = finished(project.runs)
    undisturbed = outcome(trained.run("first"))
    if pattern.endswith("checkpoint*"):
        # A checkpoint of an earlier epoch can't be recreated: one fewer is ranked.
        assert f"{file.name}.damaged" in done.err.replace("\n", "")
        assert numbers(run) == undisturbed["metrics"]
        last = run / "model_checkpoints" / "last.ckpt"
        assert weights(last) == undisturbed["weights"]["last.ckpt"]
        return
    found = outcome(run)
    found["files"] = [name for name in found["files"] if not name.endswith(".damaged")]
    assert found == undisturbed, (length, done.err)


@pytest.mark.parametrize("name", ["last.ckpt", "checkpoint*"])
def test_a_checkpoint_of_another_run_is_not_taken(trained, killed, cli, name):
    project, kept = killed
    shutil.rmtree(project.runs)
    shutil.copytree(kept, project.runs, symlinks=True)
    file = sorted(project.runs.glob(f"first_*/model_checkpoints/{name}"))[-1]
    shutil.copyfile(trained.run("second") / "model_checkpoints" / "last.ckpt", file)
    done = cli(*batch(project), "--resume")
    assert done.status == 0, done.err
    assert f"{file.name} is a checkpoint of another run, second_" in done.err.replace("\n", " ")
    (run,) = finished(project.runs)
    undisturbed = outcome(trained.run("first"))
    assert numbers(run) == undisturbed["metrics"]
    last = run / "model_checkpoints" / "last.ckpt"
    assert weights(last) == undisturbed["weights"]["last.ckpt"]


def finished(runs: Path) -> list[Path]:
    """Runs that say so themselves; what begins anew leaves what it can't read where it is."""
    found = []
    for file in runs.glob("first_*/run_metadata.json"):
        try:
            if json.loads(file.read_text())["status"] == "completed":
                found.append(file.parent)
        except ValueError:
            continue
    return found
