from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.overrides import parse_override
from topoqa_train.errors import ConfigError, RequestError, TopoqaTrainError
from topoqa_train.runs import ledger
from topoqa_train.runs.reporting import Change
from topoqa_train.workflows import pipeline
from topoqa_train.workflows.pipeline import PipelinePlan, PipelineRequest, PipelineResult

Plan = Callable[..., PipelinePlan]
Run = Callable[..., PipelineResult]


@pytest.fixture
def plan(project: Any, resolver: Any, clock: Any) -> Plan:
    def _plan(*overrides: str, **options: Any) -> PipelinePlan:
        parsed = tuple(parse_override(text, base=project.root) for text in overrides)
        manifest = project.root / "manifests" / "tiny.yaml"
        request = PipelineRequest(**{"manifest": manifest, "overrides": parsed, **options})
        return pipeline.plan_pipeline(request, resolver, clock)

    return _plan


@pytest.fixture
def run(plan: Plan, launcher: Any, recorder: Any, clock: Any) -> Run:
    def _run(*overrides: str, **options: Any) -> PipelineResult:
        clock.advance(60)
        return pipeline.run_pipeline(plan(*overrides, **options), recorder, clock)

    return _run


class TestPlan:
    def test_it_has_the_sweep_and_both_phases(self, plan: Plan, project: Any) -> None:
        shown = plan(jobs=2).shown
        assert [(phase.name, list(phase.jobs)) for phase in shown.phases] == [
            ("sweep", ["one", "two", "three"]),
            ("phase 1", ["…_finetune_phase1"]),
            ("phase 2", ["…_phase2_seed101", "…_phase2_seed555"]),
        ]
        assert (shown.title, shown.at_once) == ("tiny", 2)
        assert [job.epochs for job in shown.jobs] == [4] * 6
        (data,) = shown.data
        assert data.graphs == {"train": 6, "val": 3}
        assert not (project.root / "training_runs").exists()

    def test_overrides_go_to_every_job_and_are_shown(self, plan: Plan) -> None:
        planned = plan("trainer.num_epochs=2")
        assert [job.epochs for job in planned.shown.jobs] == [2] * 6
        asked = Change("trainer.num_epochs", "4", "2", "command line")
        seed = Change("dataloader.seed", "222", "101", "manifests/tiny.yaml:9")
        assert all(job.changes[0] == asked for job in planned.shown.jobs)
        assert planned.shown.jobs[4].changes == (asked, seed)

    @pytest.mark.parametrize("name", ["two", "second_555"])
    def test_a_sweep_that_fine_tuning_could_not_take_on_is_refused_at_once(
        self, plan: Plan, project: Any, name: str
    ) -> None:
        project.config(name, "model: {attention_head: 4}")
        with pytest.raises(RequestError) as caught:
            plan()
        told = "\n".join([caught.value.message, *caught.value.details])
        assert "model.attention_head" in told
        assert name.partition("_")[2] in told
        assert [job.name for job in plan(skip_fine=True).sweep] == ["one", "two", "three"]

    def test_what_the_sweep_trains_is_nothing_to_a_checkpoint_that_is_named(
        self, plan: Plan, project: Any
    ) -> None:
        project.config("two", "model: {attention_head: 4}")
        (project.root / "w.ckpt").touch()
        assert len(plan(resume_from=project.root / "w.ckpt").fine) == 3

    def test_what_is_skipped_is_not_planned(self, plan: Plan, project: Any) -> None:
        assert [phase.name for phase in plan(skip_sweep=True).shown.phases] == [
            "phase 1",
            "phase 2",
        ]
        project.manifest(fine_tune=False)
        assert [phase.name for phase in plan(skip_fine=True).shown.phases] == ["sweep"]
        assert plan(skip_sweep=True, skip_fine=True).shown.phases == ()

    def test_fine_tuning_without_a_section_for_it_is_refused(
        self, plan: Plan, project: Any
    ) -> None:
        project.manifest(fine_tune=False)
        with pytest.raises(RequestError) as caught:
            plan()
        assert "--skip-fine" in (caught.value.hint or "")

    def test_a_third_job_that_is_wrong_is_found_before_the_first_starts(
        self, run: Run, project: Any, launcher: Any
    ) -> None:
        project.config("three", "optimizer: {learning_rate: fast}\n")
        with pytest.raises(ConfigError) as caught:
            run()
        assert "learning_rate" in "\n".join(caught.value.details)
        assert launcher.did == []
        assert not (project.root / "training_runs").exists()

    @pytest.mark.parametrize("name", ["three", "first", "second_555"])
    def test_so_are_missing_graphs_of_any_job(
        self, run: Run, project: Any, launcher: Any, name: str
    ) -> None:
        project.labels("bad", {"9ZZZ_001": 0.5}, graphs=False)
        path = project.root / "configs" / f"{name}.yaml"
        path.write_text(path.read_text().replace("val.csv", "bad.csv"))
        with pytest.raises(RequestError) as caught:
            run()
        assert "9ZZZ_001" in "\n".join([caught.value.message, *caught.value.details])
        assert launcher.did == []

    def test_a_checkpoint_that_is_not_there_is_refused(self, plan: Plan) -> None:
        with pytest.raises(RequestError, match=r"gone\.ckpt"):
            plan(resume_from=Path("gone.ckpt"))

    def test_where_runs_go(self, plan: Plan, project: Any) -> None:
        assert plan().root == project.root / "training_runs"
        elsewhere = plan(output_root=Path("elsewhere"))
        assert elsewhere.root == project.root / "elsewhere"
        assert {job.output_root for job in elsewhere.sweep} == {project.root / "elsewhere"}
        nothing = plan(skip_sweep=True, skip_fine=True, output_root=Path("elsewhere"))
        assert nothing.root == project.root / "elsewhere"


class TestChain:
    def test_sweep_pick_phase_1_phase_2(
        self, run: Run, launcher: Any, recorder: Any, project: Any
    ) -> None:
        launcher.losses = {"one": 0.08, "two": 0.04, "three": 0.06}
        result = run()
        root = project.root / "training_runs"
        sweep, (first,), seconds = (
            launcher.jobs()[:3],
            launcher.jobs()[3:4],
            launcher.jobs()[4:],
        )
        assert [job.name for job in sweep] == ["one", "two", "three"]
        base = result.pick.run_id
        assert base is not None
        assert base.startswith("two_")
        assert first.name == f"{base}_finetune_phase1"
        assert first.weights_from is not None
        assert first.weights_from.read_text() == "weights of epoch 1"
        assert first.weights_from.parent.parent == root / base
        assert first.started_from == {
            "checkpoint": str(first.weights_from),
            "run_id": base,
            "epoch": 1,
        }
        assert [job.name for job in seconds] == [f"{base}_phase2_seed{n}" for n in (101, 555)]
        assert [job.config.dataloader.seed for job in seconds] == [101, 555]
        for job in seconds:
            assert job.weights_from is not None
            assert job.weights_from.parent.parent == root / first.name
        assert [name for name, _ in recorder.phases][-3:] == ["sweep", "phase 1", "phase 2"]
        assert recorder.phases[-1][1] == [job.name for job in seconds]
        assert len(result.board.entries) == 6
        assert any(f"Picked {base}: val_loss 0.04000 @ 1" in note for note in recorder.notes)
        begun = ledger.last(root, "pipeline", project.root / "manifests" / "tiny.yaml")
        assert begun is not None
        assert begun.completed is not None
        assert launcher.entered == 0

    def test_phase_2_may_start_from_the_sweep(self, run: Run, launcher: Any, project: Any) -> None:
        project.manifest(start_from="sweep")
        result = run()
        first, *seconds = launcher.jobs()[3:]
        assert {job.weights_from for job in [first, *seconds]} == {result.pick.checkpoint}

    def test_the_pick_is_of_this_sweep_alone(
        self, run: Run, launcher: Any, run_files: Any, epoch: Any, project: Any
    ) -> None:
        root = project.root / "training_runs"
        root.mkdir()
        run_files.root = root
        run_files("better_of_before", [epoch(0.001)], ranking_metric="val_loss")
        result = run()
        assert result.pick.run_id != "better_of_before"
        assert len(result.board.entries) == 6

    def test_without_fine_tuning_it_ends_with_the_pick(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        project.manifest(fine_tune=False)
        launcher.losses = {"three": 0.01}
        result = run(skip_fine=True)
        assert [job.name for job in launcher.jobs()] == ["one", "two", "three"]
        assert result.pick.base.startswith("three_")

    def test_fine_tuning_the_same_run_again_is_not_refused(self, run: Run, launcher: Any) -> None:
        run()
        jobs = launcher.jobs()[3:]
        assert {(job.run_name, job.stamped) for job in jobs} == {(None, False)}

    def test_a_base_of_great_length_is_no_fault_after_hours_of_sweep(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        name = "x" * 120
        project.config(name)
        project.manifest([name])
        run()
        assert len(launcher.jobs()[-1].name) > 128

    def test_a_failed_phase_1_is_told_and_ends_it(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        launcher.losses = {"one": 0.01}
        launcher.outcomes = {"one_1_finetune_phase1": "failed"}
        with pytest.raises(TopoqaTrainError) as caught:
            run()
        assert caught.value.message == "one_1_finetune_phase1: it was failed"
        assert launcher.entered == 0

    def test_continue_on_error_picks_of_what_completed(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        project.manifest(more="continue_on_error: true")
        launcher.losses = {"one": 0.01, "two": 0.02, "three": 0.03}
        launcher.outcomes = {"one": "failed"}
        result = run()
        assert result.pick.base.startswith("two_")
        assert [failed.message for failed in result.failures] == ["one: it was failed"]


class TestSkipSweep:
    @pytest.fixture
    def before(self, run_files: Any, epoch: Any, project: Any) -> Any:
        run_files.root = project.root / "training_runs"
        run_files.root.mkdir()
        run_files("good", [epoch(0.05, 0.9)])
        run_files("low", [epoch(0.04, 0.0), epoch(0.06, 0.5)], folder="history")
        run_files("broken", [epoch(0.01)], status="failed")
        run_files("stopped", [epoch(0.01)], status="interrupted")
        return run_files

    def test_the_lowest_val_loss_of_all_finished_is_picked_history_included(
        self, run: Run, before: Any, launcher: Any
    ) -> None:
        result = run(skip_sweep=True)
        assert (result.pick.run_id, result.pick.epoch) == ("low", 0)
        first = launcher.jobs()[0]
        assert first.name == "low_finetune_phase1"
        assert first.weights_from == result.pick.checkpoint
        assert result.pick.checkpoint.read_text() == "weights of epoch 0"

    def test_with_nothing_to_train_it_shows_all_there_are(
        self, run: Run, before: Any, launcher: Any
    ) -> None:
        result = run(skip_sweep=True, skip_fine=True)
        assert result.pick.run_id == "low"
        assert launcher.did == []
        assert len(result.board.entries) == 4

    def test_with_no_finished_run_it_says_what_to_do(self, run: Run, launcher: Any) -> None:
        with pytest.raises(RequestError) as caught:
            run(skip_sweep=True)
        assert "no finished run" in caught.value.message
        assert "--resume-from" in (caught.value.hint or "")


class TestResumeFrom:
    def test_a_checkpoint_of_a_run_gives_its_name(
        self, run: Run, run_files: Any, launcher: Any, recorder: Any
    ) -> None:
        mine = run_files("mine")
        result = run(skip_sweep=True, resume_from=mine / "model_checkpoints" / "best.ckpt")
        assert result.pick.base == "mine"
        assert launcher.jobs()[0].name == "mine_finetune_phase1"
        assert recorder.notes == []

    def test_any_other_file_gives_its_own(self, run: Run, project: Any, launcher: Any) -> None:
        file = project.root / "published weights (2).ckpt"
        file.touch()
        run(skip_sweep=True, resume_from=file)
        assert launcher.jobs()[0].name == "published_weights__2__finetune_phase1"
        assert launcher.jobs()[0].weights_from == file

    def test_beside_a_sweep_it_wins_and_says_so(
        self, run: Run, project: Any, launcher: Any, recorder: Any
    ) -> None:
        file = project.root / "w.ckpt"
        file.touch()
        assert run(resume_from=file).pick.checkpoint == file
        assert len(launcher.jobs()) == 6
        assert "--skip-sweep" in recorder.notes[0]


class TestResume:
    def test_a_finished_pipeline_is_left_alone(
        self, run: Run, launcher: Any, recorder: Any
    ) -> None:
        first = run()
        launcher.did.clear()
        second = run(resume=True)
        assert launcher.jobs() == []
        assert len(recorder.before) == 6
        names = [entry.run.paths.run_id for entry in first.board.entries]
        assert [entry.run.paths.run_id for entry in second.board.entries] == names

    @pytest.mark.parametrize("stopped", ["two", "two_2_finetune_phase1", "two_2_phase2_seed555"])
    def test_an_interrupted_one_goes_on_where_it_was(
        self, run: Run, launcher: Any, stopped: str
    ) -> None:
        launcher.losses = {"two": 0.01}
        launcher.outcomes = {stopped: "interrupted"}
        with pytest.raises(TopoqaTrainError):
            run()
        done = [job.name for job in launcher.jobs()]
        assert done[-1] == stopped
        launcher.outcomes = {}
        launcher.did.clear()
        result = run(resume=True)
        first, *rest = launcher.jobs()
        assert first.name == stopped
        assert first.resume_run is not None
        assert not {job.name for job in rest} & set(done)
        assert len(result.board.entries) == 6

    def test_without_resume_all_begins_anew(self, run: Run, launcher: Any) -> None:
        run()
        launcher.did.clear()
        run()
        assert len(launcher.jobs()) == 6
