from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from topoqa_train.config.load import load_config
from topoqa_train.config.plan import JobPlan
from topoqa_train.errors import TopoqaTrainError
from topoqa_train.workflows import run as workflow
from topoqa_train.workflows.run import RunPlan


@pytest.fixture
def planned(project: Any, resolver: Any) -> Callable[..., RunPlan]:
    def _planned(**fields: Any) -> RunPlan:
        plan = JobPlan(name="one", config=load_config(project.config("one")), **fields)
        return workflow.plan_run(plan, resolver, output_root=None)

    return _planned


def test_a_plan_makes_nothing(planned: Any, project: Any) -> None:
    plan = planned(run_name="mine")
    assert plan.shown.title == "one"
    assert [job.epochs for job in plan.shown.jobs] == [4]
    assert not (project.root / "training_runs").exists()


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
def test_a_failure_is_raised_and_kept(
    planned: Any, launcher: Any, recorder: Any, clock: Any, project: Any, outcome: str
) -> None:
    from topoqa_train.runs import metadata

    launcher.outcomes = {"one": outcome}
    with pytest.raises(TopoqaTrainError, match=f"one: it was {outcome}"):
        workflow.carry_out(planned(run_name="mine"), recorder, clock, "children")
    written = metadata.read(project.root / "training_runs" / "mine" / "run_metadata.json")
    assert written.status == ("failed" if outcome == "killed" else outcome)
