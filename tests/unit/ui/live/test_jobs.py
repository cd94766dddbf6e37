from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from topoqa_train.runs.events import EpochEnded, RunCreated, RunEnded
from topoqa_train.ui.live.jobs import Jobs, plan_summary
from topoqa_train.views.progress import Plan

MakePlan = Callable[..., Plan]
PHASES = {"sweep": ["a", "b"], "phase 1": ["BASE_1"], "phase 2": ["BASE_2", "BASE_3"]}


@pytest.fixture
def jobs(clock: Any, make_plan: MakePlan) -> Jobs:
    jobs = Jobs(clock)
    jobs.plan(make_plan(PHASES, epochs=100))
    return jobs


class TestHeadline:
    def test_it_names_jobs_data_and_parallel_jobs(self, make_plan: MakePlan) -> None:
        assert plan_summary(make_plan(PHASES)) == [
            "run_core: 2 in sweep, 1 in phase 1, 2 in phase 2; 2 at once",
            "data: demo, 24 complexes, 384 graphs (256/64/64), coverage 100 %",
        ]
        assert plan_summary(make_plan({}))[0] == "run_core: nothing to train; 2 at once"


class TestPhases:
    def test_jobs_stay_in_the_order_of_the_plan(self, jobs: Jobs) -> None:
        jobs.phase("sweep", ["a", "b"])
        assert list(jobs.views) == ["a", "b", "BASE_1", "BASE_2", "BASE_3"]
        jobs.phase("phase 1", ["a_1"])
        assert list(jobs.views) == ["a", "b", "a_1", "BASE_2", "BASE_3"]
        jobs.phase("phase 2", ["a_2", "a_3"])
        assert list(jobs.views) == ["a", "b", "a_1", "a_2", "a_3"]
        phases = ["sweep", "sweep", "phase 1", "phase 2", "phase 2"]
        assert [view.phase for view in jobs.views.values()] == phases

    def test_each_job_keeps_the_epochs_that_were_planned_for_it(
        self, clock: Any, make_plan: MakePlan
    ) -> None:
        plan = make_plan({"sweep": ["a", "b"]})
        first, second = plan.jobs
        jobs = Jobs(clock)
        jobs.plan(replace(plan, jobs=(replace(first, epochs=10), replace(second, epochs=20))))
        for names in (["a", "b"], ["x", "y"]):
            jobs.phase("sweep", names)
            assert [view.epochs for view in jobs.views.values()] == [10, 20]

    def test_an_unplanned_phase_follows_the_started_jobs(self, jobs: Jobs) -> None:
        jobs.phase("check", ["data"])
        assert list(jobs.views) == ["data", "a", "b", "BASE_1", "BASE_2", "BASE_3"]
        jobs.event(RunEnded(job="data", status="completed"))
        jobs.phase("sweep", ["a", "b"])
        jobs.event(RunCreated(job="a", run_dir="/r"))
        jobs.phase("more", ["z"])
        assert list(jobs.views) == ["data", "a", "z", "b", "BASE_1", "BASE_2", "BASE_3"]

    def test_a_job_done_before_is_finished(self, jobs: Jobs) -> None:
        jobs.phase("sweep", ["a", "b"])
        jobs.done_before("a", "a_2026")
        assert jobs.views["a"].finished
        assert jobs.views["a"].run_dir == "a_2026"


class TestTimeLeft:
    def test_remaining_epochs_are_divided_by_the_parallel_jobs(
        self, jobs: Jobs, epoch_ended: Callable[..., EpochEnded]
    ) -> None:
        jobs.event(RunCreated(job="a", run_dir="/r"))
        assert jobs.seconds_left() is None
        jobs.event(epoch_ended("a", 50, of=100, seconds=2.0))
        # 50 of a, and 400 of the four others, at 2 s, two at once.
        assert jobs.seconds_left() == pytest.approx(450 * 2.0 / 2)
        jobs.event(RunEnded(job="a", status="completed"))
        assert jobs.seconds_left() == pytest.approx(400 * 2.0 / 2)

    def test_the_last_job_runs_alone(
        self, jobs: Jobs, epoch_ended: Callable[..., EpochEnded]
    ) -> None:
        for name in list(jobs.views)[:-1]:
            jobs.event(RunEnded(job=name, status="completed"))
        jobs.event(epoch_ended("BASE_3", 10, of=100, seconds=1.0))
        assert jobs.seconds_left() == pytest.approx(90.0)
        jobs.event(RunEnded(job="BASE_3", status="completed"))
        assert jobs.seconds_left() is None


def test_events_of_unknown_jobs_are_ignored(jobs: Jobs) -> None:
    jobs.event(RunEnded(job="data of a", status="completed"))
    assert "data of a" not in jobs.views


def test_the_best_and_its_epoch(jobs: Jobs, epoch_ended: Callable[..., EpochEnded]) -> None:
    assert jobs.views["a"].best_text == ""
    jobs.event(epoch_ended("a", 105))
    assert jobs.views["a"].best_text == "-0.648 @ 104"
