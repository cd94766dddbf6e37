from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.run_options import RunOptions
from topoqa_train.runs.paths import RunPaths
from topoqa_train.workflows import rerun
from topoqa_train.workflows import run as workflow
from topoqa_train.workflows.rerun import RerunRequest

TYPED = (
    "--resume-from w.ckpt --fast-dev-run --limit-train-batches 3 --limit-val-batches 0.5 --log-lr "
    "--notes n --trial-label t --trainer-arg gradient_clip_val=0.5"
)
EVERY_OPTION = RunOptions(
    weights_from=Path("w.ckpt"),
    fast_dev_run=True,
    limit_train_batches=3,
    limit_val_batches=0.5,
    log_lr=True,
    notes="n",
    trial_label="t",
    trainer_args={"gradient_clip_val": 0.5},
)

CONFIG = "paths: {graph: g, train_labels: t.csv, val_labels: v.csv}\n"
Call = Callable[..., tuple[int, list[Any]]]


@pytest.fixture
def call(up_to: Any) -> Call:
    """`topoqa-train run`, up to a plan or the request to rerun: exit status, it, where runs go."""
    return partial(up_to((workflow, "plan_run"), (rerun, "plan_rerun")), "run")


def test_every_option_reaches_the_plan(call: Call, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG)
    options = f"-c x.yaml --run-name mine -o trainer.num_epochs=7 {TYPED} --output-root out"
    status, (plan, output_root) = call(*options.split())
    assert status == 0
    assert (plan.name, plan.run_name, plan.options) == ("x", "mine", EVERY_OPTION)
    assert plan.config.config.trainer.num_epochs == 7
    assert plan.config.config.paths.graph == tmp_path / "g"
    assert output_root == Path("out")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ("my config (2).yaml", "my_config__2_"),
        ("latest.yaml", "run_latest"),
        ("sched_boost_seed222", "sched_boost_seed222"),  # a shipped one
    ],
)
def test_a_run_s_directory_has_a_plain_name_whatever_the_config_is_called(
    call: Call, tmp_path: Path, config: str, name: str
) -> None:
    if config.endswith(".yaml"):
        (tmp_path / config).write_text(CONFIG)
    status, (plan, _) = call("-c", config)
    assert (status, plan.name) == (0, name)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give --config, or --from-run with a run to rerun\nShipped configs:\n  large_"),
        (("-c", "x.yaml", "--from-run", "x"), "--config or --from-run, not both"),
        (("--from-run", "gone"), "no run is called 'gone'"),
        (("-c", "gone.yaml"), "gone.yaml"),
        (("-c", "x.yaml", "-o", "trainer.num_epoch=3"), "num_epochs"),
        (("-c", "x.yaml", "-o", "trainer.num_epochs=many"), "trainer.num_epochs"),
        (("-c", "x.yaml", "--limit-train-batches", "0"), "--limit-train-batches"),
        (("-c", "x.yaml", "--trainer-arg", "novalue"), "novalue"),
    ],
)
def test_a_wrong_request_starts_nothing(
    call: Call, tmp_path: Path, capsys: Any, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "x.yaml").write_text(CONFIG)
    status, given = call(*arguments)
    assert (status, given) == (2, [])
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


class TestFromRun:
    def test_every_option_reaches_the_request(
        self, call: Call, run_files: Any, tmp_path: Path
    ) -> None:
        run = run_files("old")
        options = f"--run-name mine -o trainer.num_epochs=7 {TYPED} --output-root out"
        status, (request, output_root) = call("--from-run", str(run), *options.split())
        assert status == 0
        assert output_root == Path("out")
        (override,) = request.overrides
        assert (override.key, override.value) == ("trainer.num_epochs", 7)
        assert override.place.base == tmp_path
        assert request == RerunRequest(
            run=RunPaths(run), overrides=[override], run_name="mine", options=EVERY_OPTION
        )
        # Without options the run is repeated as it was.
        status, (request, output_root) = call("--from-run", str(run))
        assert (status, output_root) == (0, None)
        assert request == RerunRequest(run=RunPaths(run), overrides=[])

    @pytest.mark.parametrize("folder", ["", "history"])
    def test_a_name_is_looked_for_where_runs_are(
        self, call: Call, run_files: Any, tmp_path: Path, folder: str
    ) -> None:
        run_files.root = tmp_path / "training_runs"
        run = run_files("old", folder=folder)
        (tmp_path / "out").mkdir()
        for arguments in (("old",), ("latest",), ("old", "--output-root", "out")):
            status, (request, _) = call("--from-run", *arguments)
            assert (status, request.run.root) == (0, run)

    def test_first_where_the_new_one_goes(self, call: Call, run_files: Any, tmp_path: Path) -> None:
        for name in ("training_runs", "out"):
            run_files.root = tmp_path / name
            run_files("old")
        _, (request, _) = call("--from-run", "old", "--output-root", "out")
        assert request.run.root == tmp_path / "out" / "old"
        # A folder comes before a name.
        run_files.root = tmp_path
        run = run_files("here")
        _, (request, _) = call("--from-run", "here")
        assert request.run.root == run
