from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.load import load_config
from topoqa_train.errors import RequestError, TopoqaTrainError
from topoqa_train.workflows import run as workflow
from topoqa_train.workflows.run import RunPlan


@pytest.fixture
def planned(project: Any, resolver: Any) -> Callable[..., RunPlan]:
    def _planned(**fields: Any) -> RunPlan:
        plan = JobPlan(name="one", config=load_config(project.config("one")), **fields)
        return workflow.plan_run(plan, resolver, output_root=None)

    return _planned


def test_a_plan_creates_nothing(planned: Any, project: Any) -> None:
    plan = planned(run_name="mine")
    assert plan.shown.title == "one"
    assert [job.epochs for job in plan.shown.jobs] == [4]
    assert not (project.root / "training_runs").exists()


def test_the_data_are_scanned_but_coverage_is_checked_by_the_run(
    planned: Any, project: Any
) -> None:
    (project.root / "graphs" / "2XYZ_000.pt").unlink()
    (data,) = planned().shown.data
    assert data.graphs == {"train": 6, "val": 2}
    assert data.coverage == pytest.approx(100 * 8 / 9)


@pytest.mark.parametrize("gone", ["train.csv", "graphs"])
def test_missing_labels_or_graphs_are_refused(planned: Any, project: Any, gone: str) -> None:
    (project.root / gone).rename(project.root / "away")
    with pytest.raises(RequestError, match=gone):
        planned()
    assert not (project.root / "training_runs").exists()


def test_a_name_that_is_taken_is_refused(planned: Any, project: Any, run_files: Any) -> None:
    run_files.root = project.root / "training_runs"
    run_files("mine", folder="history")
    with pytest.raises(RequestError, match="'mine' exists already"):
        planned(run_name="mine")


def test_a_folder_that_can_hold_no_run_is_refused(
    planned: Any, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "file").touch()
    monkeypatch.setenv("TOPOQA_TRAIN_RUNS", str(project.root / "file"))
    with pytest.raises(RequestError, match="runs can't go to"):
        planned()


def test_one_job_is_trained_and_ranked(
    planned: Any, launcher: Any, recorder: Any, clock: Any, project: Any
) -> None:
    board = workflow.carry_out(planned(run_name="mine"), recorder, clock, "children")
    winner = board.winner()
    assert winner is not None
    assert winner.run.paths.root == project.root / "training_runs" / "mine"
    assert recorder.phases == [("run", ["one"])]
    assert launcher.entered == 0


@pytest.mark.parametrize("outcome", ["failed", "interrupted", "killed"])
def test_a_failure_is_raised_and_recorded(
    planned: Any, launcher: Any, recorder: Any, clock: Any, project: Any, outcome: str
) -> None:
    from topoqa_train.runs import metadata

    launcher.outcomes = {"one": outcome}
    with pytest.raises(TopoqaTrainError, match=f"one: it was {outcome}"):
        workflow.carry_out(planned(run_name="mine"), recorder, clock, "children")
    written = metadata.read(project.root / "training_runs" / "mine" / "run_metadata.json")
    assert written.status == ("failed" if outcome == "killed" else outcome)
