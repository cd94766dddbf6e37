from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.overrides import parse_override
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import (
    InterruptedRunError,
    RequestError,
    TerminatedRunError,
    TopoqaTrainError,
)
from topoqa_train.launch.job import Check
from topoqa_train.runs import ledger
from topoqa_train.runs.events import Begun
from topoqa_train.views.progress import Change
from topoqa_train.workflows import batch
from topoqa_train.workflows.batch import BatchPlan, BatchRequest, BatchResult, Only

Plan = Callable[..., BatchPlan]
Run = Callable[..., BatchResult]


@pytest.fixture
def plan(project: Any, resolver: Any, clock: Any) -> Plan:
    def _plan(*overrides: str, **options: Any) -> BatchPlan:
        parsed = tuple(parse_override(text, base=project.root) for text in overrides)
        manifest = project.root / "manifests" / "tiny.yaml"
        request = BatchRequest(**{"manifest": manifest, "overrides": parsed, **options})
        return batch.plan_batch(request, resolver, clock)

    return _plan


@pytest.fixture
def run(plan: Plan, launcher: Any, recorder: Any, clock: Any) -> Run:
    def _run(*overrides: str, **options: Any) -> BatchResult:
        clock.advance(60)
        launcher.did.clear()
        recorder.notes.clear()
        return batch.run_batch(plan(*overrides, **options), recorder, clock)

    return _run


def states(result: BatchResult) -> dict[str, str]:
    return {outcome.name: outcome.state for outcome in result.outcomes}


def stop_at(launcher: Any, name: str, error: TopoqaTrainError) -> None:
    """Let the process be asked to stop while the job `name` is running."""
    whole = launcher.run

    def _run(tasks: Any, on_event: Any, *, keep_going: bool) -> Any:
        names = [task.name for task in tasks]
        if name not in names:
            return whole(tasks, on_event, keep_going=keep_going)
        launcher.outcomes[name] = "interrupted"
        whole(tasks[: names.index(name) + 1], on_event, keep_going=keep_going)
        raise error

    launcher.run = _run


class TestPlan:
    def test_it_has_every_job_and_no_fine_tuning(self, plan: Plan, project: Any) -> None:
        shown = plan(jobs=2).shown
        assert [(phase.name, phase.jobs) for phase in shown.phases] == [
            ("batch", ("one", "two", "three"))
        ]
        assert shown.at_once == 2
        assert [job.graphs for job in shown.jobs] == [{"train": 6, "val": 3}] * 3
        assert not (project.root / "training_runs").exists()

    def test_what_overrides_change_is_shown(self, plan: Plan) -> None:
        one, two, _ = plan(
            "trainer.num_epochs=2",
            "jobs.two.overrides.optimizer.learning_rate=0.1",
            "jobs.two.limit_train_batches=3",
        ).shown.jobs
        epochs = Change("trainer.num_epochs", "4", "2", "command line")
        assert (one.changes, one.options) == ((epochs,), ())
        rate, also = two.changes
        assert (rate.key, rate.before, rate.now) == ("optimizer.learning_rate", "0.005", "0.1")
        assert also == epochs
        assert two.options == ("limit_train_batches: 3",)

    def test_fast_dev_run_holds_for_every_job(self, plan: Plan) -> None:
        jobs = plan("jobs.one.fast_dev_run=false", options=RunOptions(fast_dev_run=True)).jobs
        assert {(job.options.fast_dev_run, job.config.trainer.num_epochs) for job in jobs} == {
            (True, 1)
        }

    def test_keep_going_is_the_command_line_s_else_the_manifest_s(
        self, plan: Plan, project: Any
    ) -> None:
        assert plan().shown.keep_going is False
        assert plan(keep_going=True).shown.keep_going is True
        project.manifest(more="continue_on_error: true")
        assert plan().shown.keep_going is True
        assert plan(keep_going=False).shown.keep_going is False


class TestChecksBeforeTheFirstJob:
    def test_a_third_job_without_graphs(self, run: Run, project: Any, launcher: Any) -> None:
        project.labels("bad", {"9ZZZ_001": 0.5}, graphs=False)
        path = project.root / "configs" / "three.yaml"
        path.write_text(path.read_text().replace("val.csv", "bad.csv"))
        with pytest.raises(RequestError) as caught:
            run()
        assert "9ZZZ_001" in "\n".join([caught.value.message, *caught.value.details])
        assert launcher.did == []

    def test_an_error_in_the_graphs_is_raised_and_leaves_no_ledger(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        launcher.outcomes["graphs of graphs/"] = "failed"
        with pytest.raises(TopoqaTrainError, match="it was failed"):
            run()
        assert launcher.jobs() == []
        assert ledger.every(project.root / "training_runs", Path("manifests/tiny.yaml")) == []

    def test_a_rehearsal_reads_them_and_trains_nothing(
        self, plan: Plan, launcher: Any, recorder: Any, project: Any
    ) -> None:
        plan().rehearse(recorder)
        assert [type(task) for task in launcher.did] == [Check]
        assert not (project.root / "training_runs").exists()

    def test_a_wrong_variable_in_the_environment_is_refused(
        self, plan: Plan, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOPOQA_TRAIN_KEEP_RUNS", "many")
        with pytest.raises(RequestError, match="TOPOQA_TRAIN_KEEP_RUNS"):
            plan()


class TestOutcomes:
    def test_every_job_is_reported_with_its_best_and_its_run(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        launcher.losses = {"one": 0.08, "two": 0.04, "three": 0.06}
        result = run()
        assert states(result) == {"one": "done", "two": "done", "three": "done"}
        two = result.outcomes[1]
        assert (two.metric, two.best, two.epoch, two.seconds) == ("val_loss", 0.04, 1, 7.5)
        assert two.run_dir is not None
        assert two.run_dir.parent == project.root / "training_runs"
        winner = result.board.winner()
        assert winner is not None
        assert winner.run.paths.root == two.run_dir
        assert (result.failures, result.stopped) == ((), None)

    def test_a_failure_ends_it_and_later_jobs_are_reported_as_not_started(
        self, run: Run, launcher: Any
    ) -> None:
        launcher.outcomes["two"] = "failed"
        result = run()
        assert states(result) == {"one": "done", "two": "failed", "three": "not started"}
        assert [error.message for error in result.failures] == ["two: it was failed"]
        assert result.outcomes[2].run_dir is None

    def test_with_keep_going_the_other_jobs_are_trained(self, run: Run, launcher: Any) -> None:
        launcher.outcomes |= {"one": "failed", "two": "killed"}
        result = run(keep_going=True)
        assert states(result) == {"one": "failed", "two": "failed", "three": "done"}
        assert len(result.failures) == 2

    def test_a_batch_whose_jobs_all_failed_has_a_result(self, run: Run, launcher: Any) -> None:
        launcher.outcomes |= dict.fromkeys(("one", "two", "three"), "failed")
        assert set(states(run(keep_going=True)).values()) == {"failed"}

    @pytest.mark.parametrize("error", [InterruptedRunError("i"), TerminatedRunError("t")])
    def test_a_stopped_batch_reports_how_far_it_came(
        self, run: Run, launcher: Any, error: TopoqaTrainError
    ) -> None:
        stop_at(launcher, "two", error)
        result = run()
        assert states(result) == {"one": "done", "two": "interrupted", "three": "not started"}
        assert result.stopped is error
        assert result.outcomes[1].best == 0.05


class TestResume:
    def test_completed_jobs_are_skipped_stopped_ones_resumed_others_started(
        self, run: Run, launcher: Any, recorder: Any
    ) -> None:
        whole = launcher.run
        stop_at(launcher, "two", InterruptedRunError("i"))
        first = run()
        launcher.run, launcher.outcomes = whole, {}
        result = run(resume=True)
        assert states(result) == {"one": "done before", "two": "done", "three": "done"}
        two, three = launcher.jobs()
        assert (two.name, two.resume_run) == ("two", first.outcomes[1].run_dir)
        assert (three.name, three.resume_run) == ("three", None)
        assert [job for job, _ in recorder.before] == ["one"]
        # What is done needs no check.
        (check,) = [task for task in launcher.did if isinstance(task, Check)]
        assert [job.name for job in check.jobs] == ["two", "three"]

    def test_with_nothing_left_to_do_no_graph_is_read(
        self, run: Run, launcher: Any, recorder: Any
    ) -> None:
        run()
        result = run(resume=True)
        assert launcher.did == []
        assert recorder.notes == ["Nothing to do: every job of tiny.yaml is done."]
        assert set(states(result).values()) == {"done before"}
        assert result.board.winner() is not None

    def test_with_no_batch_before_it_starts_one(
        self, run: Run, launcher: Any, recorder: Any
    ) -> None:
        result = run(resume=True)
        assert set(states(result).values()) == {"done"}
        assert "no batch of tiny.yaml to resume" in recorder.notes[0]

    def test_a_job_that_changed_is_restarted_and_named(
        self, run: Run, launcher: Any, recorder: Any, project: Any
    ) -> None:
        run()
        project.config("two", "optimizer: {learning_rate: 0.1}\n")
        result = run(resume=True)
        assert states(result) == {"one": "done before", "two": "done", "three": "done before"}
        assert [job.resume_run for job in launcher.jobs()] == [None]
        assert recorder.notes[0].endswith("the last batch: two")

    def test_a_name_given_to_its_own_run_is_not_taken(self, run: Run, launcher: Any) -> None:
        launcher.outcomes["two"] = "failed"
        run("jobs.two.run_name=mine")
        launcher.outcomes = {}
        result = run("jobs.two.run_name=mine", resume=True)
        assert states(result)["two"] == "done"
        assert launcher.jobs()[0].resume_run is not None

    def test_a_failed_check_loses_nothing_of_the_previous_session(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        launcher.outcomes["two"] = "interrupted"
        run()
        launcher.outcomes = {"graphs of graphs/": "failed"}
        with pytest.raises(TopoqaTrainError):
            run(resume=True)
        launcher.outcomes = {}
        assert states(run(resume=True))["one"] == "done before"

    def test_runs_of_jobs_that_go_elsewhere_are_found_too(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        launcher.outcomes["three"] = "interrupted"
        elsewhere = f"jobs.three.overrides.paths.save_dir={project.root / 'elsewhere'}"
        first = run(elsewhere)
        assert first.outcomes[2].run_dir is not None
        assert first.outcomes[2].run_dir.parent == project.root / "elsewhere"
        launcher.outcomes = {}
        result = run(elsewhere, resume=True)
        assert states(result) == {"one": "done before", "two": "done before", "three": "done"}
        assert [job.resume_run for job in launcher.jobs()] == [first.outcomes[2].run_dir]

    def test_without_resume_it_is_offered_if_the_last_did_not_finish(
        self, run: Run, plan: Plan, launcher: Any
    ) -> None:
        launcher.outcomes["two"] = "failed"
        run()
        (line,) = plan().notes
        assert "did not finish (1 done, 1 failed): --resume continues it" in line
        # A batch that tried every job is finished.
        run(keep_going=True)
        assert plan().notes == ()


class TestOnly:
    def test_failed_starts_over_what_did_not_complete(
        self, run: Run, launcher: Any, recorder: Any
    ) -> None:
        launcher.outcomes |= {"one": "failed", "three": "killed"}
        before = run(keep_going=True)
        launcher.outcomes = {"three": "failed"}
        result = run(only=Only.FAILED, keep_going=True)
        assert [(job.name, job.resume_run) for job in launcher.jobs()] == [
            ("one", None),
            ("three", None),
        ]
        assert states(result) == {"one": "done", "two": "done before", "three": "failed"}
        assert result.outcomes[0].run_dir != before.outcomes[0].run_dir
        # And it is the last batch now, with all that the one before did.
        launcher.outcomes = {}
        assert states(run(only=Only.FAILED)) == {
            "one": "done before",
            "two": "done before",
            "three": "done",
        }
        run(only=Only.FAILED)
        assert launcher.did == []
        assert recorder.notes == ["Nothing to do: no job of the last batch of tiny.yaml failed."]

    def test_failed_finds_a_job_whose_config_was_corrected(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        launcher.outcomes["two"] = "failed"
        run(keep_going=True)
        project.config("two", "optimizer: {learning_rate: 0.1}\n")
        launcher.outcomes = {}
        run(only=Only.FAILED)
        assert [job.name for job in launcher.jobs()] == ["two"]

    def test_failed_leaves_out_what_was_never_started_and_reports_it(
        self, run: Run, launcher: Any, recorder: Any
    ) -> None:
        launcher.outcomes["two"] = "failed"
        run()
        launcher.outcomes = {}
        result = run(only=Only.FAILED)
        assert states(result) == {"one": "done before", "two": "done", "three": "not started"}
        assert "three. --only missing" in recorder.notes[0]

    def test_missing_starts_what_has_no_run(self, run: Run, launcher: Any, recorder: Any) -> None:
        launcher.outcomes["two"] = "failed"
        run()
        launcher.outcomes = {}
        result = run(only=Only.MISSING)
        assert [job.name for job in launcher.jobs()] == ["three"]
        assert states(result) == {"one": "done before", "two": "failed", "three": "done"}
        run(only=Only.MISSING)
        assert launcher.did == []
        assert recorder.notes == ["Nothing to do: every job of tiny.yaml has a run."]

    def test_missing_knows_what_a_pipeline_trained(
        self, run: Run, launcher: Any, project: Any, resolver: Any, recorder: Any, clock: Any
    ) -> None:
        from topoqa_train.workflows import pipeline

        manifest = project.manifest(["one", "two"])
        request = pipeline.PipelineRequest(manifest=manifest, skip_fine=True)
        planned = pipeline.plan_pipeline(request, resolver, clock)
        pipeline.run_pipeline(planned, recorder, clock)
        project.manifest(["one", "two", "three"])
        result = run(only=Only.MISSING)
        assert [job.name for job in launcher.jobs()] == ["three"]
        assert states(result) == {"one": "done before", "two": "done before", "three": "done"}
        # From now on they are the batch's too.
        run(resume=True)
        assert launcher.did == []

    def test_missing_of_all_is_all(self, run: Run, launcher: Any) -> None:
        run(only=Only.MISSING)
        assert len(launcher.jobs()) == 3

    def test_a_run_that_was_deleted_is_missing(self, run: Run, launcher: Any) -> None:
        import shutil

        result = run()
        assert result.outcomes[1].run_dir is not None
        shutil.rmtree(result.outcomes[1].run_dir)
        run(only=Only.MISSING)
        assert [job.name for job in launcher.jobs()] == ["two"]


def test_events_reach_the_reporter_in_order(run: Run, recorder: Any) -> None:
    run()
    check, *jobs = [event.job for event in recorder.events if isinstance(event, Begun)]
    assert check.startswith("graphs of ")
    assert jobs == ["one", "two", "three"]
    assert [name for name, _ in recorder.phases] == ["check", "batch"]
