"""Many at once in one folder: each has its own, and nobody's work is touched."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

from killing import kill_tree, outcome, without_times
from processes import PATIENCE_SECONDS, epochs_of, start, wait_for
from projects import Project, assert_no_trace, run_of

RUNS = 10
KEPT = 3


def ended(processes) -> list[str]:
    """What each printed; the time bounds a hang and judges nothing."""
    texts = [process.communicate(timeout=10 * PATIENCE_SECONDS) for process in processes]
    for process, (_, err) in zip(processes, texts, strict=True):
        assert process.returncode == 0, err
        assert_no_trace(err)
    return [out for out, _ in texts]


def document(run: Path) -> dict:
    return json.loads((run / "run_metadata.json").read_text())


def runs_in(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*/run_metadata.json"))
    return [file.parent for file in files if not file.parent.is_symlink()]


def test_two_pipelines(trained, project, cli):
    command = ("pipeline", "-m", project.manifest, "--output-root", project.runs, "--jobs", 1)
    printed = ended([start(*command), start(*command)])
    undisturbed = {without_times(run.name): outcome(run) for run in trained.all}
    runs = runs_in(project.runs)
    assert Counter(without_times(run.name) for run in runs) == dict.fromkeys(undisturbed, 2)
    for run in runs:
        assert document(run)["run_name"] == run.name
        assert outcome(run) == undisturbed[without_times(run.name)], run.name
    assert (project.runs / "latest").resolve() in runs
    # Each picked from its own sweep, and tuned what it picked.
    picked = {begun["run_id"] for run in runs if (begun := document(run)["started_from"])}
    assert len([run_id for run_id in picked if "phase" not in run_id]) == 2
    assert len({re.search("Winner: (.*)", out)[1] for out in printed}) == 2
    board = cli("leaderboard", "--run-root", project.runs, "--json")
    states = [run["status"] for run in json.loads(board.out)["runs"]]
    assert states == ["completed"] * len(runs)


def test_ten_runs_begun_in_the_same_second(trained, tmp_path):
    shutil.copytree(trained.project.root, tmp_path / "p", symlinks=True)
    project = Project(tmp_path / "p")
    before = {run.name for run in runs_in(project.runs)}
    command = ("run", "-c", project.config, "--output-root", project.runs)
    few = ("-o", "trainer.num_epochs=1")
    ended([start(*command, *few, TOPOQA_TRAIN_KEEP_RUNS=str(KEPT)) for _ in range(RUNS)])
    here, history = runs_in(project.runs), runs_in(project.runs / "history")
    names = [run.name for run in (*here, *history)]
    assert len(set(names)) == len(names) == len(before) + RUNS
    assert before < set(names)
    assert before & {run.name for run in history}
    new = [run for run in (*here, *history) if run.name not in before]
    first = outcome(new[0])
    for run in new:
        assert document(run)["run_name"] == run.name
        assert outcome(run) == first
    for run in (*here, *history):
        if run.name in before:
            assert outcome(run) == outcome(trained.project.runs / run.name)
    assert (project.runs / "latest").resolve() in new


def test_of_those_that_go_on_with_one_pipeline_one_does(trained, project):
    command = ("pipeline", "-m", project.manifest, "--output-root", project.runs, "--jobs", 1)
    process = start(*command)
    wait_for(lambda: epochs_of(project.runs, "first_") >= 1, process)
    kill_tree(process)
    many = [start(*command, "--resume") for _ in range(3)]
    texts = [each.communicate(timeout=10 * PATIENCE_SECONDS) for each in many]
    assert sorted(each.returncode for each in many) == [0, 2, 2], texts
    for each, (_, err) in zip(many, texts, strict=True):
        if each.returncode:
            assert "resuming the last pipeline" in err or "is still running" in err
    assert len(runs_in(project.runs)) == len(trained.all)
    for job in ("first", "second"):
        assert outcome(run_of(project.runs, job)) == outcome(trained.run(job))


def test_a_run_at_work_is_not_gone_on_with(project, cli):
    process = start(
        "run", "-c", project.config, "--run-name", "r", "--output-root", project.runs,
        "-o", "trainer.num_epochs=100000", "-o", "early_stopping.patience=100000",
    )  # fmt: skip
    wait_for(lambda: epochs_of(project.runs, "r") >= 1, process)
    refused = cli("resume", "--run-dir", project.runs / "r")
    process.terminate()
    process.communicate()
    assert refused.status == 2
    assert "r is running" in refused.err
