from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from topoqa_train.runs.events import EpochEnded, RunCreated, RunEnded
from topoqa_train.ui.live.jobs import Jobs, best_so_far, headline
from topoqa_train.views.progress import Plan

MakePlan = Callable[..., Plan]
PHASES = {"sweep": ["a", "b"], "phase 1": ["BASE_1"], "phase 2": ["BASE_2", "BASE_3"]}


@pytest.fixture
def jobs(clock: Any, make_plan: MakePlan) -> Jobs:
    jobs = Jobs(clock)
    jobs.plan(make_plan(PHASES, epochs=100))
    return jobs


class TestHeadline:
    def test_it_says_what_on_what_and_how_many_at_once(self, make_plan: MakePlan) -> None:
        assert headline(make_plan(PHASES)) == [
            "run_core: 2 in sweep, 1 in phase 1, 2 in phase 2; 2 at once",
            "data: demo, 24 complexes, 384 graphs (256/64/64), coverage 100 %",
        ]

    def test_nothing_to_do_is_said(self, make_plan: MakePlan) -> None:
        assert headline(make_plan({}))[0] == "run_core: nothing to train; 2 at once"


class TestPhases:
    def test_jobs_stay_in_the_order_of_the_plan(self, jobs: Jobs) -> None:
        jobs.phase("sweep", ["a", "b"])
        assert list(jobs.views) == ["a", "b", "BASE_1", "BASE_2", "BASE_3"]
        jobs.phase("phase 1", ["a_1"])
        assert list(jobs.views) == ["a", "b", "a_1", "BASE_2", "BASE_3"]
        jobs.phase("phase 2", ["a_2", "a_3"])
        assert list(jobs.views) == ["a", "b", "a_1", "a_2", "a_3"]
        assert [view.phase for view in jobs.views.values()] == [
            "sweep",
            "sweep",
            "phase 1",
            "phase 2",
            "phase 2",
        ]

    def test_each_job_keeps_the_epochs_that_were_planned_for_it(
        self, clock: Any, make_plan: MakePlan
    ) -> None:
        from dataclasses import replace

        plan = make_plan({"sweep": ["a", "b"]})
        plan = replace(
            plan,
            jobs=tuple(replace(job, epochs=n) for job, n in zip(plan.jobs, (10, 20), strict=True)),
        )
        jobs = Jobs(clock)
        jobs.plan(plan)
        jobs.phase("sweep", ["a", "b"])
        assert [view.epochs for view in jobs.views.values()] == [10, 20]
        jobs.phase("sweep", ["x", "y"])
        assert [view.epochs for view in jobs.views.values()] == [10, 20]

    def test_a_phase_that_was_not_planned_stands_behind_what_has_begun(self, jobs: Jobs) -> None:
        jobs.phase("check", ["data"])
        assert list(jobs.views) == ["data", "a", "b", "BASE_1", "BASE_2", "BASE_3"]
        jobs.event(RunEnded(job="data", status="completed"))
        jobs.phase("sweep", ["a", "b"])
        jobs.event(RunCreated(job="a", run_dir="/r"))
        jobs.phase("more", ["z"])
        assert list(jobs.views) == ["data", "a", "z", "b", "BASE_1", "BASE_2", "BASE_3"]

    def test_what_was_done_before_is_over(self, jobs: Jobs) -> None:
        jobs.phase("sweep", ["a", "b"])
        jobs.done_before("a", "a_2026")
        assert jobs.views["a"].over
        assert jobs.views["a"].run_dir == "a_2026"


class TestTimeLeft:
    def test_nothing_is_guessed_before_an_epoch_is_over(self, jobs: Jobs) -> None:
        jobs.event(RunCreated(job="a", run_dir="/r"))
        assert jobs.seconds_left() is None

    def test_it_counts_all_epochs_not_done_by_so_many_at_once(
        self, jobs: Jobs, epoch_ended: Callable[..., EpochEnded]
    ) -> None:
        jobs.event(epoch_ended("a", 50, of=100, seconds=2.0))
        # 50 of a, and 400 of the four others, at 2 s, two at once.
        assert jobs.seconds_left() == pytest.approx(450 * 2.0 / 2)
        jobs.event(RunEnded(job="a", status="completed"))
        assert jobs.seconds_left() == pytest.approx(400 * 2.0 / 2)

    def test_the_last_job_has_the_machine_to_itself(
        self, jobs: Jobs, epoch_ended: Callable[..., EpochEnded]
    ) -> None:
        for name in list(jobs.views)[:-1]:
            jobs.event(RunEnded(job=name, status="completed"))
        jobs.event(epoch_ended("BASE_3", 10, of=100, seconds=1.0))
        assert jobs.seconds_left() == pytest.approx(90.0)

    def test_where_all_is_over_nothing_is_left(
        self, jobs: Jobs, epoch_ended: Callable[..., EpochEnded]
    ) -> None:
        jobs.event(epoch_ended("a", 50, of=100, seconds=2.0))
        for name in jobs.views:
            jobs.event(RunEnded(job=name, status="completed"))
        assert jobs.seconds_left() is None


def test_events_of_strangers_are_passed_over(jobs: Jobs) -> None:
    jobs.event(RunEnded(job="data of a", status="completed"))
    assert "data of a" not in jobs.views


def test_the_best_and_its_epoch(jobs: Jobs, epoch_ended: Callable[..., EpochEnded]) -> None:
    assert best_so_far(jobs.views["a"]) == ""
    jobs.event(epoch_ended("a", 105))
    assert best_so_far(jobs.views["a"]) == "-0.648 @ 104"
