from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.overrides import parse_override
from topoqa_train.errors import (
    ConfigError,
    InterruptedRunError,
    RequestError,
    TopoqaTrainError,
)
from topoqa_train.launch.job import Job
from topoqa_train.runs import ledger
from topoqa_train.views.progress import Change
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
    def test_a_sweep_with_another_network_is_refused(
        self, plan: Plan, project: Any, name: str
    ) -> None:
        project.config(name, "model: {attention_head: 4}")
        with pytest.raises(RequestError) as caught:
            plan()
        text = "\n".join([caught.value.message, *caught.value.details])
        assert "model.attention_head" in text
        assert name.partition("_")[2] in text
        assert [job.name for job in plan(skip_fine=True).sweep] == ["one", "two", "three"]

    def test_with_a_given_checkpoint_the_sweep_may_have_another_network(
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
        planned = plan(skip_sweep=True, skip_fine=True)
        assert planned.shown.phases == ()
        assert pipeline.to_json(planned)["jobs"] == []

    def test_fine_tuning_without_a_section_for_it_is_refused(
        self, plan: Plan, project: Any
    ) -> None:
        project.manifest(fine_tune=False)
        with pytest.raises(RequestError) as caught:
            plan()
        assert "no section fine_tune" in caught.value.message
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

    def test_where_runs_go(self, plan: Plan, project: Any) -> None:
        assert plan().root == project.root / "training_runs"
        elsewhere = plan(output_root=Path("elsewhere"))
        assert elsewhere.root == project.root / "elsewhere"
        assert {job.output_root for job in elsewhere.sweep} == {project.root / "elsewhere"}
        nothing = plan(skip_sweep=True, skip_fine=True, output_root=Path("elsewhere"))
        assert nothing.root == project.root / "elsewhere"


class TestChain:
    def test_sweep_selection_phase_1_phase_2(
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
        base = result.selected.run_id
        assert base is not None
        assert base.startswith("two_")
        assert first.name == f"{base}_finetune_phase1"
        assert first.options.weights_from is not None
        assert first.options.weights_from.read_text() == "weights of epoch 1"
        assert first.options.weights_from.parent.parent == root / base
        assert first.started_from is not None
        start = {"checkpoint": str(first.options.weights_from), "run_id": base, "epoch": 1}
        assert first.started_from.items() >= start.items()
        assert [job.name for job in seconds] == [f"{base}_phase2_seed{n}" for n in (101, 555)]
        assert [job.config.dataloader.seed for job in seconds] == [101, 555]
        for job in seconds:
            assert job.options.weights_from is not None
            assert job.options.weights_from.parent.parent == root / first.name
        assert [name for name, _ in recorder.phases][-3:] == ["sweep", "phase 1", "phase 2"]
        assert recorder.phases[-1][1] == [job.name for job in seconds]
        # No given name: fine-tuning the same run once more must not find its name taken.
        assert {(job.run_name, job.stamped) for job in (first, *seconds)} == {(None, False)}
        assert len(result.board.entries) == 6
        assert any(f"Selected {base}: val_loss 0.04000 @ 1" in note for note in recorder.notes)
        new = ledger.last(root, "pipeline", project.root / "manifests" / "tiny.yaml")
        assert new is not None
        assert new.completed is not None
        assert launcher.entered == 0

    def test_phase_2_may_start_from_the_sweep(self, run: Run, launcher: Any, project: Any) -> None:
        project.manifest(start_from="sweep")
        result = run()
        first, *seconds = launcher.jobs()[3:]
        assert {job.options.weights_from for job in [first, *seconds]} == {
            result.selected.checkpoint
        }

    def test_the_checkpoint_is_selected_from_this_sweep_alone(
        self, run: Run, launcher: Any, run_files: Any, epoch: Any, project: Any
    ) -> None:
        root = project.root / "training_runs"
        root.mkdir()
        run_files.root = root
        run_files("better_of_before", [epoch(0.001)], ranking_metric="val_loss")
        result = run()
        assert result.selected.run_id != "better_of_before"
        assert len(result.board.entries) == 6

    def test_without_fine_tuning_it_ends_with_the_selection(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        project.manifest(fine_tune=False)
        launcher.losses = {"three": 0.01}
        result = run(skip_fine=True)
        assert [job.name for job in launcher.jobs()] == ["one", "two", "three"]
        assert result.selected.base.startswith("three_")

    def test_a_very_long_base_name_is_accepted_after_the_sweep(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        name = "x" * 120
        project.config(name)
        project.manifest([name])
        run()
        assert len(launcher.jobs()[-1].name) > 128

    def test_a_failed_phase_1_ends_it(self, run: Run, launcher: Any, project: Any) -> None:
        launcher.losses = {"one": 0.01}
        launcher.outcomes = {"one_1_finetune_phase1": "failed"}
        with pytest.raises(TopoqaTrainError) as caught:
            run()
        assert caught.value.message == "one_1_finetune_phase1: it was failed"
        assert launcher.entered == 0

    def test_continue_on_error_selects_among_completed_runs(
        self, run: Run, launcher: Any, project: Any
    ) -> None:
        project.manifest(more="continue_on_error: true")
        launcher.losses = {"one": 0.01, "two": 0.02, "three": 0.03}
        launcher.outcomes = {"one": "failed"}
        result = run()
        assert result.selected.base.startswith("two_")
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

    def test_with_nothing_to_train_it_shows_all_there_are(
        self, run: Run, before: Any, launcher: Any
    ) -> None:
        result = run(skip_sweep=True, skip_fine=True)
        assert result.selected.run_id == "low"
        assert launcher.did == []
        assert len(result.board.entries) == 4

    def test_another_metric_selects_another_run(self, plan: Plan, before: Any) -> None:
        selected = plan(skip_sweep=True, metric="val_spearman_corr").selected
        assert selected is not None
        assert selected.base == "good"

    def test_the_plan_names_the_selected_checkpoint(
        self, plan: Plan, before: Any, recorder: Any, launcher: Any
    ) -> None:
        planned = plan(skip_sweep=True)
        assert [job.name for job in planned.shown.jobs] == [
            "low_finetune_phase1",
            "low_phase2_seed101",
            "low_phase2_seed555",
        ]
        assert planned.notes == ("Selected low: val_loss 0.04000 @ 0",)
        assert planned.selected is not None
        assert planned.shown.jobs[0].options == (f"starts from: {planned.selected.checkpoint}",)
        # So its weights are tried on the network before anything begins.
        planned.rehearse(recorder)
        (check,) = launcher.did
        assert check.jobs[0].options.weights_from == planned.selected.checkpoint

    def test_where_the_runs_are_the_manifest_may_say(
        self, plan: Plan, before: Any, project: Any
    ) -> None:
        before.root.rename(project.root / "elsewhere")
        planned = plan(f"shared.output_root={project.root / 'elsewhere'}", skip_sweep=True)
        assert planned.root == project.root / "elsewhere"
        assert planned.missing_start is None

    def test_with_no_finished_run_the_error_gives_a_hint(
        self, run: Run, plan: Plan, launcher: Any
    ) -> None:
        with pytest.raises(RequestError) as caught:
            run(skip_sweep=True)
        assert "no finished run" in caught.value.message
        assert "--resume-from" in (caught.value.hint or "")
        assert launcher.did == []
        # The plan can be shown all the same.
        assert plan(skip_sweep=True).shown.jobs[0].name == "…_finetune_phase1"


class TestFineTune:
    """The same pipeline without the sweep, named after a given run."""

    @pytest.fixture
    def tune(self, run: Run) -> Run:
        return lambda *overrides, **options: run(
            *overrides, kind=pipeline.FINE_TUNE, skip_sweep=True, **options
        )

    @pytest.fixture
    def mine(self, run_files: Any, project: Any, epoch: Any) -> Path:
        run_files.root = project.root / "training_runs"
        run_files.root.mkdir()
        run_files("best", [epoch(0.01)])
        mine: Path = run_files("mine", [epoch(0.05), epoch(0.04)])
        return mine

    def test_the_run_that_is_named_gives_the_names(
        self, tune: Run, mine: Path, launcher: Any, project: Any
    ) -> None:
        second = mine / "model_checkpoints" / "second_best.ckpt"
        result = tune(resume_from=second, run_dir=mine)
        assert [job.name for job in launcher.jobs()] == [
            "mine_finetune_phase1",
            "mine_phase2_seed101",
            "mine_phase2_seed555",
        ]
        assert launcher.jobs()[0].options.weights_from == second.resolve()
        start = {"checkpoint": str(second.resolve()), "run_id": "mine", "epoch": 0}
        assert launcher.jobs()[0].started_from.items() >= start.items()
        assert len(result.board.entries) == 3
        # Its ledger is not that of a pipeline.
        manifest = project.root / "manifests" / "tiny.yaml"
        assert ledger.last(mine.parent, "pipeline", manifest) is None
        own = ledger.last(mine.parent, "fine-tune", manifest)
        assert own is not None
        assert own.completed is not None

    @pytest.mark.parametrize("given", ["resume_from", "run_dir"])
    def test_one_without_the_other_is_refused(
        self, tune: Run, mine: Path, launcher: Any, given: str
    ) -> None:
        with pytest.raises(RequestError) as caught:
            tune(**{given: mine})
        assert "--checkpoint" in caught.value.message
        assert "--run-dir" in caught.value.message
        assert launcher.did == []

    def test_a_metric_and_a_checkpoint_are_too_much(self, tune: Run, mine: Path) -> None:
        best = mine / "model_checkpoints" / "best.ckpt"
        with pytest.raises(RequestError, match=r"--metric .* --checkpoint"):
            tune(resume_from=best, run_dir=mine, metric="val_loss")

    def test_resumed_it_keeps_its_checkpoint_though_there_is_a_better_one_now(
        self, tune: Run, mine: Path, launcher: Any, recorder: Any
    ) -> None:
        launcher.losses = {"best_finetune_phase1": 0.001}
        launcher.outcomes = {"best_phase2_seed101": "interrupted"}
        with pytest.raises(TopoqaTrainError):
            tune()
        launcher.outcomes = {}
        launcher.did.clear()
        recorder.notes.clear()
        result = tune(resume=True)
        assert [job.name for job in launcher.jobs()] == [
            "best_phase2_seed101",
            "best_phase2_seed555",
        ]
        assert launcher.jobs()[0].resume_run is not None
        assert result.selected.base == "best"
        assert recorder.notes[0] == "Fine-tuning starts from best, as before."

    def test_the_run_it_starts_from_is_not_archived_while_it_runs(
        self, tune: Run, mine: Path, project: Any, launcher: Any, clock: Any
    ) -> None:
        from topoqa_train.runs import history
        from topoqa_train.runs.store import RunStore

        store, seen = RunStore(mine.parent), []
        whole = launcher.run

        def run_and_look(tasks: Any, on_event: Any, *, keep_going: bool) -> Any:
            seen.append(history.held(store, clock).get("best"))
            return whole(tasks, on_event, keep_going=keep_going)

        launcher.run = run_and_look
        tune()
        assert seen[0] is None  # while graphs are checked
        assert all("fine-tune in progress" in why or "starting point" in why for why in seen[1:])


class TestResumeFrom:
    def test_any_other_file_gives_its_own(self, run: Run, project: Any, launcher: Any) -> None:
        file = project.root / "published weights (2).ckpt"
        file.touch()
        run(skip_sweep=True, resume_from=file)
        assert launcher.jobs()[0].name == "published_weights__2__finetune_phase1"
        assert launcher.jobs()[0].options.weights_from == file

    def test_it_wins_over_a_sweep_and_that_is_reported(
        self, run: Run, project: Any, launcher: Any, recorder: Any
    ) -> None:
        file = project.root / "w.ckpt"
        file.touch()
        assert run(resume_from=file).selected.checkpoint == file
        assert len(launcher.jobs()) == 6
        assert "--skip-sweep" in recorder.notes[0]


class TestResume:
    def test_a_finished_pipeline_is_skipped(self, run: Run, launcher: Any, recorder: Any) -> None:
        first = run()
        launcher.did.clear()
        second = run(resume=True)
        assert launcher.jobs() == []
        assert len(recorder.before) == 6
        names = [entry.run.paths.run_id for entry in first.board.entries]
        assert [entry.run.paths.run_id for entry in second.board.entries] == names

    @pytest.mark.parametrize("stopped", ["two", "two_2_finetune_phase1", "two_2_phase2_seed555"])
    def test_an_interrupted_one_is_resumed_where_it_stopped(
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

    def test_without_resume_it_starts_over_and_offers_to_resume(
        self, run: Run, launcher: Any, recorder: Any
    ) -> None:
        launcher.outcomes = {"two": "interrupted"}
        with pytest.raises(TopoqaTrainError):
            run()
        launcher.outcomes = {}
        launcher.did.clear()
        run()
        assert len(launcher.jobs()) == 6
        (line,) = [note for note in recorder.notes if "--resume" in note]
        assert "last pipeline of tiny.yaml did not finish (1 done, 1 interrupted)" in line

    def test_a_third_session_knows_what_the_first_did(self, run: Run, launcher: Any) -> None:
        launcher.losses = {"two": 0.01}
        launcher.outcomes = {"two_2_finetune_phase1": "interrupted"}
        with pytest.raises(TopoqaTrainError):
            run()
        whole = launcher.run

        def refuse(tasks: Any, on_event: Any, *, keep_going: bool) -> Any:
            if any(isinstance(task, Job) for task in tasks) or not tasks:
                raise InterruptedRunError("stopped")
            return whole(tasks, on_event, keep_going=keep_going)

        launcher.run = refuse
        with pytest.raises(InterruptedRunError):
            run(resume=True)
        launcher.run, launcher.outcomes = whole, {}
        launcher.did.clear()
        run(resume=True)
        first = launcher.jobs()[0]
        assert first.name == "two_2_finetune_phase1"
        assert first.resume_run is not None

    def test_a_job_that_changed_is_named(
        self, run: Run, launcher: Any, recorder: Any, project: Any
    ) -> None:
        run()
        recorder.notes.clear()
        project.config("two", "optimizer: {learning_rate: 0.1}\n")
        run(resume=True)
        assert recorder.notes[0].endswith("the last pipeline: two")


def test_the_json_plan_names_the_graphs_of_each_job_and_where_runs_go(
    plan: Plan, project: Any, tmp_path: Path
) -> None:
    document = pipeline.to_json(plan("trainer.num_epochs=2", output_root=tmp_path / "out"))
    assert json.loads(json.dumps(document)) == document
    assert document["manifest"] == str(project.root / "manifests" / "tiny.yaml")
    assert document["output_root"] == str(tmp_path / "out")
    assert (document["skip_sweep"], document["resume_from"]) == (False, None)
    jobs = document["jobs"]
    assert [job["phase"] for job in jobs] == ["sweep"] * 3 + ["phase 1"] + ["phase 2"] * 2
    assert {job["graph"] for job in jobs} == {str(project.root / "graphs")}
    assert all(job["overrides"]["trainer.num_epochs"] == "2" for job in jobs)
    assert {job["epochs"] for job in jobs} == {2}
    assert jobs[0]["labels"]["train"] == str(project.root / "train.csv")
