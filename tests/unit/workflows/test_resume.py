from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import write_legacy_run

from topoqa_train.config.load import load_config
from topoqa_train.config.overrides import parse_override
from topoqa_train.config.writer import dump_yaml, effective
from topoqa_train.errors import RequestError
from topoqa_train.provenance.diff import relevant_config
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import this_process
from topoqa_train.workflows import resume as workflow
from topoqa_train.workflows.resume import ResumeRequest
from topoqa_train.workflows.run import RunPlan

PARAMETERS = {"num_epochs": 4}
DONE = {"epochs_done": 4, "epochs_without_gain": 2}
Resume = Callable[..., RunPlan]


@pytest.fixture
def make(project: Any, run_files: Any) -> Callable[..., Path]:
    """A run as the program leaves it; without `last` it has no checkpoint to resume from."""
    config = load_config(
        project.root / "configs" / "one.yaml",
        [parse_override("trainer.num_epochs=4", base=project.root)],
    ).config
    known = {
        "training_parameters": PARAMETERS,
        "config": relevant_config(config),
        "job": "one",
        "progress": DONE,
    }

    def _make(*, last: bool = True, **changes: Any) -> Path:
        run: Path = run_files("mine", **{**known, **changes})
        (run / "config" / "config.yaml").write_text(dump_yaml(effective(config)))
        if last:
            (run / "model_checkpoints" / "last.ckpt").touch()
        else:
            for file in (run / "model_checkpoints").iterdir():
                file.unlink()
        return run

    return _make


@pytest.fixture
def resume(resolver: Any, clock: Any, project: Any) -> Resume:
    def _resume(run: Path, *overrides: str, checkpoint: Path | None = None) -> RunPlan:
        parsed = [parse_override(text, base=project.root) for text in overrides]
        return workflow.plan_resume(
            ResumeRequest(RunPaths(run), parsed, checkpoint), resolver, clock
        )

    return _resume


def test_a_truncated_config_is_refused(make: Any, resume: Resume, project: Any) -> None:
    config = load_config(project.root / "configs" / "one.yaml").config
    known = relevant_config(config)
    run = make(config=known, training_parameters={}, status="interrupted")
    file = run / "config" / "config.yaml"
    whole = dump_yaml(effective(config)).encode()
    refusals: list[str] = []
    for length in {*range(0, len(whole), 9), *range(len(whole) - 9, len(whole) + 1)}:
        file.write_bytes(whole[:length])
        try:
            plan = resume(run)
        except RequestError as error:
            refusals.append(error.message)
        else:
            assert relevant_config(plan.job.config) == known
    assert len(refusals) > len(whole) / 12
    assert all("config.yaml" in message for message in refusals)
    file.write_bytes(whole[: whole.index(b"coverage:")])
    message = refusal(resume, run)
    assert (
        "coverage.minimum_percent, coverage.fail_on_missing, edge_schema.use_layer_norm" in message
    )


def refusal(resume: Resume, *arguments: Any, **options: Any) -> str:
    with pytest.raises(RequestError) as caught:
        resume(*arguments, **options)
    return "\n".join([caught.value.message, *caught.value.details, caught.value.hint or ""])


class TestResume:
    def test_further_epochs_by_an_override(self, make: Any, resume: Resume) -> None:
        run = make()
        plan = resume(run, "trainer.num_epochs=9")
        assert (plan.job.resume_run, plan.job.config.trainer.num_epochs) == (run, 9)
        assert plan.job.overrides == {"trainer.num_epochs": 9}
        assert (plan.notes, plan.job.options.weights_from, plan.job.name) == ((), None, "one")
        (shown,) = plan.shown.jobs
        assert (shown.epochs, shown.graphs) == (9, {"train": 6, "val": 3})

    @pytest.mark.parametrize("status", ["failed", "interrupted"])
    def test_one_that_is_not_done_needs_no_override(
        self, make: Any, resume: Resume, status: str
    ) -> None:
        assert resume(make(status=status, progress={"epochs_done": 2})).notes == ()

    @pytest.mark.parametrize("status", ["failed", "interrupted"])
    def test_nor_does_one_stopped_after_its_last_epoch(
        self, make: Any, resume: Resume, status: str
    ) -> None:
        assert resume(make(status=status)).job.config.trainer.num_epochs == 4

    def test_a_fast_dev_run_gets_the_epochs_asked_for(self, make: Any, resume: Resume) -> None:
        parameters = {**PARAMETERS, "fast_dev_run": True, "num_epochs": 1}
        run = make(training_parameters=parameters, progress={"epochs_done": 1})
        plan = resume(run, "trainer.num_epochs=3")
        assert (plan.job.options.fast_dev_run, plan.job.config.trainer.num_epochs) == (True, 3)
        assert "has done all of its 1 epochs" in refusal(resume, run)

    def test_a_change_that_affects_results_is_reported_and_done(
        self, make: Any, resume: Resume
    ) -> None:
        plan = resume(make(), "trainer.num_epochs=9", "dataloader.batch_size=8")
        (note,) = plan.notes
        assert note.startswith("dataloader.batch_size: 16 then, 8 now: ")

    def test_a_change_without_effect_on_results_is_not_reported(
        self, make: Any, resume: Resume
    ) -> None:
        overrides = ("dataloader.num_workers=2", "early_stopping.patience=50")
        assert resume(make(), "trainer.num_epochs=9", *overrides).notes == ()


class TestRefusals:
    @pytest.mark.parametrize("status", ["running", "created"])
    def test_one_that_is_running(self, make: Any, resume: Resume, status: str) -> None:
        text = refusal(resume, make(status=status, process=this_process()))
        assert "mine is running" in text
        assert "topoqa-train monitor --run-dir" in text

    def test_one_of_another_program(self, resume: Resume, tmp_path: Path) -> None:
        text = refusal(resume, write_legacy_run(tmp_path, "theirs"))
        assert "theirs is a run of the previous pipeline" in text
        assert "--resume-from" in text

    def test_one_that_is_done(self, make: Any, resume: Resume) -> None:
        text = refusal(resume, make())
        assert "has done all of its 4 epochs" in text
        assert "trainer.num_epochs=8" in text

    def test_one_that_early_stopping_ended(self, make: Any, resume: Resume) -> None:
        run = make(progress={"epochs_done": 3, "epochs_without_gain": 20})
        assert "early_stopping.patience=40" in refusal(resume, run)

    def test_a_folder_that_is_no_run(self, resume: Resume, tmp_path: Path) -> None:
        assert "is not a run" in refusal(resume, tmp_path)

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("model.attention_head=4", "model.attention_head: 8 then, 4 now"),
            ("edge_schema.use_layer_norm=false", "edge_schema.use_layer_norm: true then"),
            ("optimizer.learning_rate=0.1", "optimizer.learning_rate: 0.005 then, 0.1 now"),
            ("scheduler.patience=3", "scheduler.patience: 10 then, 3 now"),
            ("selection.spearman_weight=2.0", "selection.spearman_weight: 1.0 then"),
        ],
    )
    def test_changes_that_the_checkpoint_does_not_allow(
        self, make: Any, resume: Resume, override: str, message: str
    ) -> None:
        text = refusal(resume, make(), "trainer.num_epochs=9", override)
        assert message in text
        assert "num_epochs" not in text

    def test_a_config_edited_by_hand_is_refused_too(self, make: Any, resume: Resume) -> None:
        run = make()
        config = run / "config" / "config.yaml"
        config.write_text(config.read_text().replace("attention_head: 8", "attention_head: 4"))
        assert "model.attention_head" in refusal(resume, run, "trainer.num_epochs=9")

    def test_before_the_first_checkpoint_everything_may_change(
        self, make: Any, resume: Resume
    ) -> None:
        run = make(last=False, status="interrupted", progress={})
        plan = resume(run, "model.attention_head=4", "dataloader.seed=3")
        assert (plan.job.config.model.attention_head, plan.notes) == (4, ())

    def test_labels_that_are_gone(self, make: Any, resume: Resume, project: Any) -> None:
        (project.root / "val.csv").unlink()
        assert "val.csv" in refusal(resume, make(), "trainer.num_epochs=9")


class TestCheckpoint:
    def test_one_of_its_own(self, make: Any, resume: Resume) -> None:
        run = make()
        best = run / "model_checkpoints" / "best.ckpt"
        plan = resume(run, checkpoint=best)
        assert plan.job.resume_checkpoint == best.resolve()
        assert plan.job.options.weights_from is None


class TestStartingCheckpoint:
    """What it started from matters only where it was stopped before its first epoch's end."""

    def started(self, make: Any, base: Path, *, last: bool) -> Any:
        start = {"checkpoint": str(base), "run_id": "base", "epoch": 1}
        return make(last=last, status="interrupted", started_from=start, progress={})

    def test_it_starts_from_there(self, make: Any, resume: Resume, base: Path) -> None:
        assert resume(self.started(make, base, last=False)).job.options.weights_from == base

    def test_it_may_be_gone_where_it_is_not_needed(
        self, make: Any, resume: Resume, base: Path
    ) -> None:
        run = self.started(make, base, last=True)
        base.unlink()
        assert resume(run).job.options.weights_from is None
