from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import FLAT_CONFIG, write_legacy_run

from topoqa_train.config.load import load_config
from topoqa_train.config.overrides import parse_override
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import ConfigError, RequestError
from topoqa_train.provenance import diff, environment
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import this_process
from topoqa_train.workflows import rerun as workflow
from topoqa_train.workflows.rerun import RerunRequest
from topoqa_train.workflows.run import RunPlan

SOURCE = b"# mine\ntrainer: {num_epochs: 9}\n"
Rerun = Callable[..., RunPlan]
AS_THEN = "No recorded difference: with the same data, results should be equal."


@pytest.fixture
def make(project: Any, run_files: Any) -> Callable[..., Path]:
    """A run as the program leaves it, in the environment of this test."""
    config = load_config(project.root / "configs" / "one.yaml").config
    lines = "\n".join(f"  {key}: {value}" for key, value in config.paths if value is not None)
    now = environment.of_child(1)
    known = {
        "job": "one",
        "source_config": "configs/mine.yaml",
        "overrides": {"trainer.num_epochs": 4},
        "notes": "of then",
        "trial_label": "a",
        "versions": dict(now.versions),
        "host": dict(now.host),
        "git": now.git,
        "code": now.code,
        "environment": dict(now.environment),
        "training_parameters": {"num_epochs": 4},
        "config": diff.relevant_config(config),
    }

    def _make(name: str = "mine", **changes: Any) -> Path:
        run: Path = run_files(name, **{**known, **changes})
        text = f"paths:\n{lines}\ntrainer: {{num_epochs: 4}}\n"
        (run / "config" / "config.yaml").write_text(text)
        (run / "config" / "original_config.yaml").write_bytes(SOURCE)
        return run

    return _make


@pytest.fixture
def rerun(resolver: Any, clock: Any, project: Any) -> Rerun:
    def _rerun(run: Path, *overrides: str, output_root: Path | None = None, **more: Any) -> RunPlan:
        parsed = [parse_override(text, base=project.root) for text in overrides]
        request = RerunRequest(RunPaths(run), parsed, **more)
        return workflow.plan_rerun(request, resolver, clock, output_root=output_root)

    return _rerun


def refusal(rerun: Rerun, *arguments: Any, **options: Any) -> str:
    with pytest.raises(RequestError) as caught:
        rerun(*arguments, **options)
    return "\n".join([caught.value.message, *caught.value.details, caught.value.hint or ""])


class TestSameJob:
    @pytest.mark.parametrize("status", ["completed", "failed", "interrupted"])
    def test_a_new_run_of_the_same_job(
        self, make: Any, rerun: Rerun, project: Any, status: str
    ) -> None:
        run = make(status=status)
        plan = rerun(run)
        job = plan.job
        assert (job.name, job.run_name, job.stamped, job.resume_run) == ("one", None, True, None)
        assert job.output_root == project.root / "training_runs"
        assert job.config == load_config(run / "config" / "config.yaml").config
        assert (job.options.notes, job.options.trial_label) == ("of then", "a")
        assert job.rerun_of is not None
        assert (job.rerun_of.run_id, job.rerun_of.run_dir) == ("mine", run)
        assert (job.rerun_of.differs, job.rerun_of.reported) == ((), ())
        assert plan.notes == ("Rerun of mine, with its config and options.", AS_THEN)

    def test_its_source_and_overrides_stay_what_they_were(self, make: Any, rerun: Rerun) -> None:
        run = make()
        job = rerun(run, "dataloader.seed=7").job
        assert (job.original_yaml, job.source_config) == (SOURCE.decode(), "configs/mine.yaml")
        assert job.overrides == {"trainer.num_epochs": 4, "dataloader.seed": 7}
        # Without the source, config.yaml takes its place.
        (run / "config" / "original_config.yaml").unlink()
        job, config = rerun(run).job, run / "config" / "config.yaml"
        assert (job.original_yaml, job.source_config) == (config.read_text(), str(config))
        assert job.overrides == {}

    def test_its_options(self, make: Any, rerun: Rerun) -> None:
        options = {
            "limit_train_batches": 3,
            "limit_val_batches": 0.5,
            "log_lr": True,
            "trainer_args": {"gradient_clip_val": 0.5},
        }
        plan = rerun(make(training_parameters={"num_epochs": 4, **options}))
        assert {name: getattr(plan.job.options, name) for name in options} == options
        assert plan.notes[-1] == AS_THEN

    @pytest.mark.parametrize(("recorded", "epochs"), [(1, 1), (4, 4)])
    def test_a_fast_dev_run_has_the_recorded_epochs(
        self, make: Any, rerun: Rerun, recorded: int, epochs: int
    ) -> None:
        run = make(training_parameters={"fast_dev_run": True, "num_epochs": recorded})
        plan = rerun(run)
        assert (plan.job.options.fast_dev_run, plan.job.config.trainer.num_epochs) == (True, epochs)
        assert [job.epochs for job in plan.shown.jobs] == [epochs]
        assert rerun(run, "trainer.num_epochs=6").job.config.trainer.num_epochs == 6

    @pytest.mark.parametrize(
        ("job", "name", "called"),
        [
            (None, "x_2026-01-31_12-00-00", "x"),
            (None, "x_2026-01-31_12-00-00_2", "x"),
            ("../../up", "mine", "run_.._.._up"),
        ],
    )
    def test_the_job_is_named_like_the_run_s_or_like_the_run(
        self, make: Any, rerun: Rerun, job: str | None, name: str, called: str
    ) -> None:
        assert rerun(make(name, job=job)).job.name == called


class TestDifferences:
    def test_requested_changes_are_made_and_reported(
        self, make: Any, rerun: Rerun, tmp_path: Path
    ) -> None:
        plan = rerun(
            make(),
            "dataloader.batch_size=8",
            run_name="named",
            output_root=tmp_path / "elsewhere",
            options=RunOptions(limit_val_batches=2, notes="of now"),
        )
        options = plan.job.options
        assert (plan.job.run_name, options.notes, options.trial_label) == ("named", "of now", "a")
        assert plan.job.output_root == tmp_path / "elsewhere"
        assert plan.notes[1:] == (
            "Differences:",
            "  dataloader.batch_size: 16 then, 8 now",
            "  limit_val_batches: none then, 2 now",
            "Results are not expected to be equal.",
        )
        assert plan.job.rerun_of is not None
        assert [each["what"] for each in plan.job.rerun_of.differs] == [
            "dataloader.batch_size",
            "limit_val_batches",
        ]

    def test_a_config_edited_by_hand_is_reported(self, make: Any, rerun: Rerun) -> None:
        run = make()
        config = run / "config" / "config.yaml"
        config.write_text(config.read_text() + "optimizer: {learning_rate: 0.5}\n")
        assert "  optimizer.learning_rate: 0.005 then, 0.5 now" in rerun(run).notes

    def test_the_environment_is_compared_before_it_starts(self, make: Any, rerun: Rerun) -> None:
        versions = {**environment.versions(), "numpy": "0.1"}
        host = {**environment.host(4), "name": "then.example.org"}
        plan = rerun(make(versions=versions, host=host))
        text = "\n".join(plan.notes)
        assert "  numpy: 0.1 then, " in text
        assert "  threads: 4 then, 1 now" in text
        assert "  host: then.example.org then, " in text
        assert plan.notes[-1] == "Results may differ."
        assert plan.job.rerun_of is not None
        assert len(plan.job.rerun_of.reported) == 3

    def test_threads_are_reported_once(self, make: Any, rerun: Rerun) -> None:
        text = [note for note in rerun(make(), "trainer.threads=2").notes if "threads" in note]
        assert text == ["  trainer.threads: 1 then, 2 now"]

    def test_more_epochs_and_workers_do_not_affect_results(self, make: Any, rerun: Rerun) -> None:
        notes = rerun(make(), "trainer.num_epochs=9", "dataloader.num_workers=2").notes
        assert notes[-1] == "None of these affects results: they should be equal, epoch by epoch."

    def test_many_differences_are_counted(self, make: Any, rerun: Rerun) -> None:
        versions = {**environment.versions(), **{f"p{number}": "1" for number in range(20)}}
        notes = rerun(make(versions=versions)).notes
        assert len(notes) < 20
        assert "  and 8 more: see rerun_of in run_metadata.json" in notes

    def test_a_run_resumed_in_another_environment_is_reported(
        self, make: Any, rerun: Rerun
    ) -> None:
        differs = [
            {"what": "torch", "then": "1", "now": "2", "kind": "numbers"},
            {"what": "host", "then": "a", "now": "b", "kind": "place"},
        ]
        sessions = [
            {"epochs_done": 2, "differs": []},
            {"epochs_done": 3, "differs": differs},
            {"epochs_done": None, "differs": "odd"},
        ]
        (note,) = [note for note in rerun(make(resumed=sessions)).notes if "resumed" in note]
        assert note.startswith("It was resumed after 3 epochs with other torch: ")

    def test_an_older_run_is_compared_by_its_config_file(self, make: Any, rerun: Rerun) -> None:
        plan = rerun(make(config={}), "dataloader.seed=7")
        assert "  dataloader.seed: 222 then, 7 now" in plan.notes
        assert rerun(make("other", config={})).notes[-1] == AS_THEN


class TestWeights:
    def started(self, make: Any, base: Path, **more: Any) -> Path:
        digest = hashlib.sha256(base.read_bytes()).hexdigest()
        start = {"checkpoint": str(base), "sha256": digest, "run_id": "base", "epoch": 1}
        run: Path = make(started_from={**start, **more})
        return run

    def test_the_rerun_starts_from_them(self, make: Any, rerun: Rerun, base: Path) -> None:
        plan = rerun(self.started(make, base))
        assert plan.job.options.weights_from == base
        assert plan.job.started_from is not None
        assert (plan.job.started_from["run_id"], plan.job.started_from["epoch"]) == ("base", 1)
        assert plan.notes[0].endswith(f"and options, from the weights of {base.name}.")
        assert plan.notes[-1] == AS_THEN

    def test_they_are_found_where_they_were_moved_to(
        self, make: Any, rerun: Rerun, base: Path, run_files: Any, tmp_path: Path
    ) -> None:
        run = self.started(make, base)
        (run_files.root / "history").mkdir()
        (run_files.root / "base").rename(run_files.root / "history" / "base")
        moved = run_files.root / "history" / "base" / "model_checkpoints" / base.name
        assert rerun(run).job.options.weights_from == moved
        # The whole folder, the run itself in history.
        run.rename(run_files.root / "history" / "mine")
        run_files.root.rename(tmp_path / "away")
        plan = rerun(tmp_path / "away" / "history" / "mine")
        assert plan.job.options.weights_from == tmp_path / "away" / moved.relative_to(
            run_files.root
        )
        assert plan.notes[-1] == AS_THEN

    def test_of_two_of_one_name_the_one_with_the_recorded_content_is_used(
        self, make: Any, rerun: Rerun, base: Path, run_files: Any, tmp_path: Path
    ) -> None:
        elsewhere = tmp_path / "elsewhere" / "base" / "model_checkpoints" / base.name
        elsewhere.parent.mkdir(parents=True)
        elsewhere.write_text("of another training")
        run = self.started(make, base, checkpoint=str(elsewhere))
        assert rerun(run).job.options.weights_from == base

    def test_changed_content_is_reported(self, make: Any, rerun: Rerun, base: Path) -> None:
        run = self.started(make, base)
        base.write_text("of another training")
        plan = rerun(run)
        text = [note for note in plan.notes if note.startswith("  starting weights: ")]
        assert len(text) == 1
        assert plan.notes[-1] == "Results are not expected to be equal."

    def test_missing_weights_are_named(self, make: Any, rerun: Rerun, base: Path) -> None:
        run = self.started(make, base)
        base.unlink()
        text = refusal(rerun, run)
        assert "the checkpoint that mine started from is gone" in text
        assert str(base) in text
        assert "--resume-from" in text

    def test_other_weights_can_be_given(
        self, make: Any, rerun: Rerun, base: Path, run_files: Any
    ) -> None:
        other = run_files("other") / "model_checkpoints" / "best.ckpt"
        other.resolve().write_text("of another training")
        run = self.started(make, base)
        base.unlink()
        plan = rerun(run, options=RunOptions(weights_from=other))
        assert plan.job.options.weights_from == other.resolve()
        assert plan.job.started_from is not None
        assert "run_id" not in plan.job.started_from
        assert any(note.startswith("  starting weights: ") for note in plan.notes)

    def test_an_older_run_has_a_path_and_no_hash(self, make: Any, rerun: Rerun, base: Path) -> None:
        run = make(started_from={"checkpoint": str(base)})
        assert rerun(run).notes[-1] == AS_THEN


class TestRefusals:
    @pytest.mark.parametrize("status", ["running", "created"])
    def test_one_that_is_running(self, make: Any, rerun: Rerun, status: str) -> None:
        text = refusal(rerun, make(status=status, process=this_process()))
        assert "mine is running" in text

    def test_one_without_a_config(self, make: Any, rerun: Rerun) -> None:
        run = make()
        (run / "config" / "config.yaml").unlink()
        assert "mine can't be repeated: it has no config/config.yaml" in refusal(rerun, run)

    @pytest.mark.parametrize("invalid", [{"limit_val_batches": "many"}, {"trainer_args": [1]}])
    def test_invalid_options(self, make: Any, rerun: Rerun, invalid: dict[str, Any]) -> None:
        text = refusal(rerun, make(training_parameters=invalid))
        assert f"training_parameters.{next(iter(invalid))}" in text
        assert "run_metadata.json" in text

    def test_a_source_that_is_not_text(self, make: Any, rerun: Rerun) -> None:
        run = make()
        (run / "config" / "original_config.yaml").write_bytes(b"\xff\xfe")
        assert "original_config.yaml is not text in UTF-8" in refusal(rerun, run)


class TestOfThePreviousPipeline:
    """Its metrics can't be reproduced, because its loader differed; its settings can be reused."""

    def config(self, project: Any) -> str:
        kept = [line for line in FLAT_CONFIG.splitlines() if "some_key" not in line]
        lines = [line for line in kept if "_file" not in line and "_dir" not in line]
        lines += [f"{split}_label_file: {project.root / split}.csv" for split in ("train", "val")]
        return "\n".join([*lines, f"graph_dir: {project.root / 'graphs'}"]) + "\n"

    def test_its_flat_config_is_run(self, rerun: Rerun, project: Any, tmp_path: Path) -> None:
        run = write_legacy_run(tmp_path, config=self.config(project))
        plan = rerun(run)
        assert plan.job.name == "sched_boost_seed222"
        assert plan.job.config.early_stopping.patience == 45
        assert plan.job.rerun_of is not None
        assert plan.job.rerun_of.compared is False
        assert any("only the first graph of each batch" in note for note in plan.notes)
        assert not any("should be equal" in note or "differ" in note for note in plan.notes)

    def test_the_user_is_asked_for_its_starting_checkpoint(
        self, rerun: Rerun, project: Any, tmp_path: Path
    ) -> None:
        from legacy_runs import metadata

        command = ["python", "train_cli.py", "run", "--resume-from", "x.ckpt"]
        document = metadata("x", command=command)
        run = write_legacy_run(tmp_path, "x", document=document, config=self.config(project))
        assert any("--resume-from" in note for note in rerun(run).notes)

    def test_an_unknown_key_is_named(self, rerun: Rerun, tmp_path: Path) -> None:
        run = write_legacy_run(tmp_path, config=FLAT_CONFIG)
        with pytest.raises(ConfigError) as caught:
            rerun(run)
        assert "some_key_of_the_time" in str(caught.value.problems)
