from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.load import load_config
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import RequestError, TopoqaTrainError, TrainingError
from topoqa_train.launch.job import Job
from topoqa_train.runs import ledger
from topoqa_train.runs.events import RunEnded
from topoqa_train.workflows import job_factory as job_steps
from topoqa_train.workflows import job_runner as module
from topoqa_train.workflows import previous_session
from topoqa_train.workflows.job_runner import JobRunner

MANIFEST = Path("/m/tiny.yaml")


@pytest.fixture
def job(project: Any, resolver: Any) -> Callable[..., Job]:
    def _job(name: str) -> Job:
        loaded = load_config(project.config(name, f"dataloader: {{seed: {len(name)}}}\n"))
        return job_steps.make_job(JobPlan(name, loaded), resolver, output_root=None)

    return _job


@pytest.fixture
def runner(launcher: Any, recorder: Any, clock: Any, project: Any) -> Callable[[], JobRunner]:
    """The runner of a new session, which resumes the previous one."""

    def _runner(*, resume: bool = True) -> JobRunner:
        root = project.root / "training_runs"
        previous = previous_session.find(
            root, "pipeline", MANIFEST, clock, identities={}, resume=resume
        )
        clock.advance(10)
        with previous.new_ledger(root, clock, takes_over=resume) as new:
            return JobRunner(launcher, recorder, clock, new, previous if resume else None)

    return _runner


def status(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "run_metadata.json").read_text())
    return document


def test_what_completed_comes_back_in_the_order_of_the_jobs(
    runner: Any, job: Any, recorder: Any
) -> None:
    this = runner()
    made = this.run("sweep", [job("a"), job("bb"), job("ccc")], keep_going=False)
    assert [status(paths.root)["job"] for paths in made] == ["a", "bb", "ccc"]
    assert this.completed == made
    assert recorder.phases == [("sweep", ["a", "bb", "ccc"])]


def test_a_job_is_in_the_ledger_before_it_can_die(
    runner: Any, job: Any, launcher: Any, recorder: Any
) -> None:
    launcher.outcomes["a"] = "killed"
    this = runner()
    with pytest.raises(TopoqaTrainError):
        this.run("sweep", [job("a"), job("bb")], keep_going=False)
    found = ledger.last(this.ledger.path.parent.parent, "pipeline", MANIFEST)
    assert found is not None
    assert list(found.jobs) == ["a"]
    assert found.jobs["a"].run_id.startswith("a_")


def test_a_run_that_failed_at_its_creation_is_in_the_ledger(
    runner: Any, job: Any, launcher: Any, run_files: Any
) -> None:
    mine = job("a")
    run_files.root = mine.output_root
    run = run_files("a_1", status="failed")
    error = TrainingError("its lock can't be had").to_json()

    def fail(tasks: Any, on_event: Any, *, keep_going: bool) -> list[RunEnded]:
        end = RunEnded(job="a", status="failed", run_dir=str(run), error=error)
        on_event(end)
        return [end]

    launcher.run = fail
    this = runner()
    with pytest.raises(TopoqaTrainError, match="its lock"):
        this.run("sweep", [mine], keep_going=False)
    assert this.ledger.run_of("a") == "a_1"


def test_runs_that_later_jobs_start_from_are_required_from_the_first_job_on(
    runner: Any, job: Any, tmp_path: Path
) -> None:
    file = tmp_path / "base" / "model_checkpoints" / "checkpoint.val-0.1_epoch1.chkpt"
    file.parent.mkdir(parents=True)
    file.write_text("")
    this = runner()
    this.run(
        "sweep",
        [job("a"), job("bb").model_copy(update={"options": RunOptions(weights_from=file)})],
        keep_going=False,
    )
    assert this.ledger.required == ["base"]


class TestFailures:
    def test_one_stops_the_rest_and_is_reported_with_its_job(
        self, runner: Any, job: Any, launcher: Any
    ) -> None:
        launcher.outcomes["bb"] = "failed"
        this = runner()
        with pytest.raises(TopoqaTrainError) as caught:
            this.run("sweep", [job("a"), job("bb"), job("ccc")], keep_going=False)
        assert caught.value.message == "bb: it was failed"
        assert caught.value.hint == "Look."
        assert [task.name for task in launcher.jobs()] == ["a", "bb"]
        assert len(this.completed) == 1

    def test_with_keep_going_the_others_are_trained(
        self, runner: Any, job: Any, launcher: Any
    ) -> None:
        launcher.outcomes["a"] = "failed"
        made = runner().run("sweep", [job("a"), job("bb")], keep_going=True)
        assert [status(paths.root)["job"] for paths in made] == ["bb"]

    def test_with_keep_going_all_of_them_failing_is_an_error(
        self, runner: Any, job: Any, launcher: Any
    ) -> None:
        launcher.outcomes |= {"a": "failed", "bb": "interrupted"}
        with pytest.raises(TopoqaTrainError, match=r"^a: "):
            runner().run("sweep", [job("a"), job("bb")], keep_going=True)

    def test_why_a_run_was_killed_is_in_its_own_files(
        self, runner: Any, job: Any, launcher: Any
    ) -> None:
        launcher.outcomes["a"] = "killed"
        this = runner()
        with pytest.raises(TopoqaTrainError):
            this.run("sweep", [job("a")], keep_going=False)
        run = job("a").output_root / this.ledger.jobs["a"].run_id
        assert status(run)["status"] == "failed"
        assert status(run)["error"]["message"] == "it was killed"
        assert status(run)["completed"]

    @pytest.mark.parametrize("content", [None, "{"])
    def test_files_that_can_t_be_written_hide_no_error(
        self, tmp_path: Path, clock: Any, content: str | None
    ) -> None:
        if content is not None:
            (tmp_path / "run_metadata.json").write_text(content)
        error = {"exit_status": 1, "message": "m", "details": [], "hint": None}
        end = RunEnded(job="a", status="failed", run_dir=str(tmp_path), error=error)
        module.record_failure(end, clock)
        assert module.error_of(end).message == "a: m"

    def test_one_without_a_reason_has_a_message_too(self) -> None:
        assert module.error_of(RunEnded(job="a", status="failed")).message == "a failed"

    @pytest.mark.parametrize("ended", ["completed", "interrupted"])
    def test_a_run_that_ended_keeps_its_status(
        self, run_files: Any, clock: Any, ended: str
    ) -> None:
        run = run_files("r", status=ended)
        error = {"exit_status": 1, "message": "m", "details": [], "hint": None}
        module.record_failure(
            RunEnded(job="a", status="failed", run_dir=str(run), error=error), clock
        )
        assert status(run)["status"] == ended


class TestResume:
    def test_completed_jobs_are_skipped(
        self, runner: Any, job: Any, launcher: Any, recorder: Any
    ) -> None:
        first = runner().run("sweep", [job("a"), job("bb")], keep_going=False)
        launcher.did.clear()
        again = runner()
        second = again.run("sweep", [job("a"), job("bb"), job("ccc")], keep_going=False)
        assert [task.name for task in launcher.jobs()] == ["ccc"]
        assert second[:2] == first
        assert recorder.before == [("a", first[0].run_id), ("bb", first[1].run_id)]
        assert again.completed == second
        # And the third start knows of what the first did.
        launcher.did.clear()
        runner().run("sweep", [job("a"), job("bb"), job("ccc")], keep_going=False)
        assert launcher.did == []

    def test_stopped_jobs_are_resumed_in_their_own_directories(
        self, runner: Any, job: Any, launcher: Any
    ) -> None:
        launcher.outcomes["bb"] = "interrupted"
        with pytest.raises(TopoqaTrainError):
            runner().run("sweep", [job("a"), job("bb")], keep_going=False)
        (stopped,) = job("a").output_root.glob("bb_*")
        launcher.outcomes.clear()
        launcher.did.clear()
        made = runner().run("sweep", [job("a"), job("bb")], keep_going=False)
        assert [task.resume_run for task in launcher.jobs()] == [stopped]
        assert made[1].root == stopped
        assert [paths.run_id for paths in made] == [made[0].run_id, stopped.name]

    def test_a_run_in_history_counts_as_done(self, runner: Any, job: Any, launcher: Any) -> None:
        (run,) = runner().run("sweep", [job("a")], keep_going=False)
        (run.root.parent / "history").mkdir()
        run.root.rename(run.root.parent / "history" / run.run_id)
        launcher.did.clear()
        runner().run("sweep", [job("a")], keep_going=False)
        assert launcher.did == []


class TestCheckGraphs:
    def test_a_wrong_request_stays_one(self, recorder: Any, job: Any, launcher: Any) -> None:
        def refuse(tasks: Any, on_event: Any, *, keep_going: bool) -> list[RunEnded]:
            error = RequestError("3 graphs can't be used", details=["a.pt"]).to_json()
            return [RunEnded(job=tasks[0].name, status="failed", error=error)]

        launcher.run = refuse
        with pytest.raises(RequestError) as caught:
            module.check_graphs(launcher, recorder, [job("a")])
        assert caught.value.exit_status == 2
        assert caught.value.details == ("a.pt",)
