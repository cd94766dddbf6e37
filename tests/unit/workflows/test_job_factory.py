from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.load import load_config
from topoqa_train.config.overrides import parse_override
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import RequestError
from topoqa_train.launch import environment
from topoqa_train.launch.job import Job
from topoqa_train.workflows import job_factory
from topoqa_train.workflows.data_resolver import DataResolver

MakePlan = Callable[..., JobPlan]


@pytest.fixture
def plan(project: Any) -> MakePlan:
    def _plan(*overrides: str, config: str = "one", **fields: Any) -> JobPlan:
        parsed = [parse_override(text, base=project.root) for text in overrides]
        loaded = load_config(project.root / "configs" / f"{config}.yaml", parsed)
        names = RunOptions.model_fields.keys() & fields.keys()
        options = RunOptions(**{name: fields.pop(name) for name in names})
        return JobPlan(**{"name": config, "config": loaded, "options": options, **fields})

    return _plan


@pytest.fixture
def make(resolver: DataResolver) -> Callable[..., Job]:
    return lambda plan, **options: job_factory.make_job(
        plan, resolver, **{"output_root": None, **options}
    )


class TestMakeJob:
    def test_it_takes_all_of_the_plan(self, plan: MakePlan, make: Any, project: Any) -> None:
        options = RunOptions(
            notes="n",
            trial_label="t",
            limit_train_batches=0.5,
            limit_val_batches=3,
            log_lr=True,
            trainer_args={"gradient_clip_val": 0.5},
        )
        given = plan("trainer.num_epochs=7", run_name="mine", **dict(options))
        job = make(given)
        assert (job.name, job.run_name, job.options) == ("one", "mine", options)
        assert job.config.trainer.num_epochs == 7
        assert job.overrides == {"trainer.num_epochs": 7}
        assert job.original_yaml == (project.root / "configs" / "one.yaml").read_text()
        assert job.config_yaml == given.config.to_yaml()
        assert job.data.graph == project.root / "graphs"
        assert (job.started_from, job.resume_run) == (None, None)

    def test_where_runs_go(
        self, plan: MakePlan, make: Any, project: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = project.root
        assert make(plan()).output_root == root / "training_runs"
        saved = plan("paths.save_dir=saved")
        assert make(saved).output_root == root / "saved"
        monkeypatch.setenv("TOPOQA_TRAIN_RUNS", str(root / "environment"))
        assert make(saved).output_root == root / "environment"
        manifest = replace(saved, output_root=root / "manifest")
        assert make(manifest).output_root == root / "manifest"
        assert make(manifest, output_root=root / "option").output_root == root / "option"

    def test_weights_are_absolute_and_recorded(
        self, plan: MakePlan, make: Any, project: Any
    ) -> None:
        (project.root / "w.ckpt").touch()
        job = make(plan(weights_from=Path("w.ckpt")), started_from={"run_id": "r", "epoch": 3})
        assert job.options.weights_from == project.root / "w.ckpt"
        assert job.started_from is not None
        start = {"checkpoint": str(project.root / "w.ckpt"), "run_id": "r", "epoch": 3}
        assert job.started_from.items() >= start.items()

    @pytest.mark.parametrize("name", ["gone.ckpt", "configs"])
    def test_a_checkpoint_that_is_no_file_is_refused(
        self, plan: MakePlan, make: Any, name: str
    ) -> None:
        with pytest.raises(RequestError) as caught:
            make(plan(weights_from=Path(name)))
        assert f"there is no checkpoint {name}" in caught.value.message

    def test_a_bad_name_is_refused_before_anything_starts(self, plan: MakePlan, make: Any) -> None:
        with pytest.raises(RequestError):
            make(plan(run_name="../up"))


class TestCheckAndShow:
    @pytest.fixture
    def check(self, make: Any, resolver: DataResolver) -> Callable[..., Any]:
        def _check(*plans: JobPlan, resumed: bool = False) -> Any:
            phase = ("batch", [(plan, make(plan)) for plan in plans])
            return job_factory.check_and_show(
                "m",
                [phase, ("empty", [])],
                resolver,
                resumed=lambda _: resumed,
                at_once=1,
                keep_going=False,
            )

        return _check

    def test_each_job_is_shown_with_its_data(
        self, plan: MakePlan, check: Any, project: Any
    ) -> None:
        project.labels("other", {"1ABC_001": 0.5})
        shown = check(plan(), plan("paths.val_labels=other.csv"), plan(config="two"))
        assert [job.graphs["val"] for job in shown.jobs] == [3, 1, 3]
        assert [phase.name for phase in shown.phases] == ["batch"]

    def test_a_name_that_is_taken_is_refused_unless_the_job_is_resumed(
        self, plan: MakePlan, check: Any, project: Any, run_files: Any
    ) -> None:
        run_files.root = project.root / "training_runs"
        run_files("mine")
        with pytest.raises(RequestError, match="mine"):
            check(plan(run_name="mine"))
        check(plan(run_name="mine"), resumed=True)

    def test_the_errors_of_all_jobs_are_reported(
        self, plan: MakePlan, check: Any, project: Any
    ) -> None:
        project.labels("bad", {"9ZZZ_001": 0.5}, graphs=False)
        bad = plan("paths.val_labels=bad.csv", config="two")
        with pytest.raises(RequestError) as caught:
            check(plan(), bad, plan("paths.graph=nowhere", config="three"))
        text = "\n".join([caught.value.message, *caught.value.details])
        for part in ("9ZZZ_001", "nowhere", "two", "three"):
            assert part in text
        assert "one" not in [word.strip(",") for word in text.split()]


def test_each_data_set_is_checked_once(plan: MakePlan, make: Any, project: Any) -> None:
    project.labels("other", {"1ABC_001": 0.5})
    every = [make(plan()), make(plan(config="two")), make(plan("paths.val_labels=other.csv"))]
    checks = job_factory.graph_checks(every)
    assert [check.data for check in checks] == [every[0].data, every[2].data]
    assert [check.jobs for check in checks] == [tuple(every[:2]), tuple(every[2:])]


class TestAtOnce:
    @pytest.fixture(autouse=True)
    def eight_cores(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(environment, "cores", lambda: 8)

    @pytest.mark.parametrize(
        ("asked", "overrides", "number", "wanted"),
        [
            (None, [], 3, 3),
            (None, [], 12, 8),
            (None, ["trainer.threads=3"], 12, 2),
            (None, ["trainer.threads=16"], 12, 1),
            (None, ["trainer.accelerator=gpu"], 3, 1),
            (None, [], 0, 1),
            (2, [], 12, 2),
            (5, ["trainer.accelerator=gpu"], 12, 5),
        ],
    )
    def test_one_a_core_unless_asked(
        self,
        plan: MakePlan,
        make: Any,
        asked: int | None,
        overrides: list[str],
        number: int,
        wanted: int,
    ) -> None:
        assert job_factory.jobs_at_once(asked, [make(plan(*overrides))] * number) == wanted


class TestIdentity:
    @pytest.fixture
    def same(self, plan: MakePlan, make: Any) -> str:
        return job_factory.identity(make(plan()))

    def test_what_is_neutral_to_results_keeps_the_identity(
        self, plan: MakePlan, make: Any, same: str
    ) -> None:
        for other in (
            plan(),
            plan(config="two"),
            plan(run_name="mine", notes="n", trial_label="t", log_lr=True),
            plan("logging.log_every_n_steps=7", "mlflow.enabled=true"),
        ):
            assert job_factory.identity(make(other)) == same
        assert job_factory.identity(make(plan(), output_root=Path("elsewhere"))) == same

    @pytest.mark.parametrize(
        "override",
        [
            "optimizer.learning_rate=0.1",
            "dataloader.seed=1",
            "trainer.num_epochs=5",
            "selection.spearman_weight=2.0",
            "model.options={depth: 3}",
            "coverage.minimum_percent=50",
        ],
    )
    def test_what_is_relevant_to_results_changes_it(
        self, plan: MakePlan, make: Any, same: str, override: str
    ) -> None:
        assert job_factory.identity(make(plan(override))) != same

    @pytest.mark.parametrize(
        "fields",
        [
            {"fast_dev_run": True},
            {"limit_train_batches": 3},
            {"limit_val_batches": 0.5},
            {"trainer_args": {"gradient_clip_val": 1.0}},
        ],
        ids=str,
    )
    def test_so_do_the_options_of_a_run(
        self, plan: MakePlan, make: Any, same: str, fields: dict[str, Any]
    ) -> None:
        assert job_factory.identity(make(plan(**fields))) != same

    def test_so_does_the_content_of_labels_and_weights(
        self, plan: MakePlan, make: Any, project: Any, same: str
    ) -> None:
        weights = project.root / "w.ckpt"
        weights.write_text("1")
        started = job_factory.identity(make(plan(weights_from=weights)))
        assert started != same
        weights.write_text("2")
        assert job_factory.identity(make(plan(weights_from=weights))) != started
        copy = project.root / "copy.ckpt"
        copy.write_text("1")
        assert job_factory.identity(make(plan(weights_from=copy))) == started
        project.labels("val", {"2XYZ_000": 0.9})
        assert job_factory.identity(make(plan())) != same
