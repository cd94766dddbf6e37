"""What users of the reference typed, in a folder laid out as theirs.

Flat configs in `configs/`, manifests in `manifests/`, and each command line of the reference in its
new spelling, as `docs/how-to/from-the-previous-pipeline.md` lists them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import make_project

FLAT = """\
accelerator: cpu
accumulate_grad_batches: 2
attention_head: 2
batch_size: 16
devices: 1
early_stopping_patience: 45
edge_schema: {{use_layer_norm: true}}
graph_dir: ../graphs
learning_rate: {rate}
lr_scheduler_factor: 0.2
lr_scheduler_patience: 6
lr_scheduler_type: reduce_on_plateau
num_epochs: {epochs}
num_workers: 0
pooling_type: mean
precision: 32
seed: {seed}
train_label_file: ../train.csv
val_label_file: ../val.csv
use_val_spearman_as_secondary: true
spearman_secondary_min_delta: 0.0
spearman_secondary_weight: 1.0
progress_bar_refresh_rate: 0
log_every_n_steps: 100
coverage: {{minimum_percent: 1.0, fail_on_missing: true}}
mlflow: {{enabled: false, tracking_uri: ./mlruns, experiment: dynamic_topoqa}}
"""
MANIFEST = """\
shared: {{notes: sweep}}
jobs: [{jobs}]
fine_tune:
  phase1: {{config: ../configs/sched_boost_finetune.yaml}}
  phase2: {{config: "../configs/sched_boost_finetune_seed{{seed}}.yaml", seeds: [101, 555]}}
continue_on_error: false
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model_training/` of a user."""
    root = make_project(tmp_path_factory.mktemp("user") / "model_training").root
    (root / "configs").mkdir()
    (root / "manifests").mkdir()
    recipes = {
        "sched_boost_seed222": (0.005, 222),
        "sched_boost_seed777": (0.005, 777),
        "sched_boost_finetune": (0.001, 222),
        "sched_boost_finetune_seed101": (0.001, 101),
        "sched_boost_finetune_seed555": (0.001, 555),
    }
    for name, (rate, seed) in recipes.items():
        text = FLAT.format(rate=rate, seed=seed, epochs=2)
        (root / "configs" / f"{name}.yaml").write_text(text)
    for name, seeds in {"run_core": (222,), "run_extended": (222, 777)}.items():
        jobs = ", ".join(
            f"{{name: sched_boost_seed{seed}, config: ../configs/sched_boost_seed{seed}.yaml}}"
            for seed in seeds
        )
        (root / "manifests" / f"{name}.yaml").write_text(MANIFEST.format(jobs=jobs))
    return root


Type = Callable[..., Any]


@pytest.fixture(scope="module")
def typed(cli: Any, home: Path) -> Type:
    """Type a line in the user's folder; it has to end well."""

    def run(line: str, **environment: str) -> Any:
        done = cli(*line.split(), cwd=home, **environment)
        assert done.status == 0, done.err
        return done

    return run


def runs(home: Path, ending: str = "") -> set[str]:
    return {
        path.parent.name
        for path in (home / "training_runs").glob(f"*{ending}/run_metadata.json")
        if not path.parent.is_symlink()
    }


@pytest.fixture(scope="module")
def swept(home: Path, typed: Type) -> Any:
    """`./run_full_pipeline.sh`."""
    return typed("pipeline")


@pytest.fixture(scope="module")
def demo_run(home: Path, typed: Type, swept: Any) -> Path:
    """A run by a name of the user's own."""
    typed(
        "run --config configs/sched_boost_seed222.yaml --run-name demo_run --fast-dev-run "
        "--override dataloader.num_workers=0"
    )
    return home / "training_runs" / "demo_run"


def test_the_full_pipeline(home, swept):
    names = runs(home)
    (base,) = {name for name in names if "phase" not in name}
    assert base.startswith("sched_boost_seed222_20")
    assert {f"{base}_finetune_phase1", f"{base}_phase2_seed101", f"{base}_phase2_seed555"} < names
    assert "Winner: training_runs/" in swept.out
    assert len(list((home / "training_runs").glob("full_pipeline_run_core_*.log"))) == 1
    assert (home / "training_runs" / "latest").resolve().name in names


def test_skip_both_confirms_the_manifest_and_finds_the_checkpoint(home, typed, swept):
    before = runs(home)
    done = typed("pipeline", SKIP_SWEEP="1", SKIP_FINE="1")
    assert runs(home) == before
    assert "Winner: training_runs/" in done.out


def test_a_dry_run_of_another_manifest(home, typed, swept):
    before = runs(home)
    done = typed("pipeline --manifest manifests/run_extended.yaml --dry-run")
    assert runs(home) == before
    assert "sched_boost_seed777" in done.out


def test_fine_tune_only_picks_by_itself(home, typed, swept):
    before = runs(home, "phase1*")
    typed("fine-tune")
    assert len(runs(home, "phase1*")) == len(before) + 1


def test_fine_tune_only_of_a_given_checkpoint(home, typed, demo_run):
    typed(f"fine-tune --checkpoint {demo_run}/model_checkpoints/best.ckpt --run-dir {demo_run}")
    assert {
        "demo_run_finetune_phase1",
        "demo_run_phase2_seed101",
        "demo_run_phase2_seed555",
    } <= runs(home)


def test_a_batch_with_the_graphs_elsewhere(home, typed, swept):
    (home / "graphs").rename(home / "alt")
    try:
        typed(
            "batch --manifest manifests/run_core.yaml --fast-dev-run "
            f"--override shared.overrides.paths.graph={home}/alt"
        )
    finally:
        (home / "alt").rename(home / "graphs")


def test_a_smoke_test(home, typed, swept):
    typed("run --config configs/sched_boost_seed777.yaml --fast-dev-run --run-name smoke_test")
    assert "smoke_test" in runs(home)


def test_resume_of_a_named_run(home, typed, demo_run):
    typed(f"resume --run-dir training_runs/{demo_run.name} --override trainer.num_epochs=2")
    rows = (demo_run / "metrics" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 3


def test_summarise_says_all_that_it_said(home, typed, demo_run):
    document = json.loads(typed("summarise --run-dir training_runs/demo_run").out)
    text = json.dumps(document)
    for part in ("best.ckpt", "coverage", "val_loss", "created", "training_parameters"):
        assert part in text


def test_leaderboard(typed, swept):
    done = typed("leaderboard --limit 2 --run-root training_runs --reverse")
    assert len([line for line in done.out.splitlines() if "sched_boost" in line]) >= 2


@pytest.mark.parametrize(
    "line",
    [
        "monitor --run-dir training_runs/latest",
        "monitor --run-id demo_run --follow --interval 60",
        "monitor --run-dir training_runs/demo_run --metrics-limit 10",
    ],
)
def test_monitor_prints_json_where_it_is_piped(typed, demo_run, line):
    document = json.loads(
        typed(line).out.splitlines()[-1] if "--follow" in line else typed(line).out
    )
    assert "val_loss" in json.dumps(document)
