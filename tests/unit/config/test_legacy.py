from __future__ import annotations

from pathlib import Path

from topoqa_train.config.legacy import FLAT_KEYS, SHARED_SECTIONS
from topoqa_train.config.load import load_config

KEYS_OF_THE_CONTRACT = set(
    """
    accelerator accumulate_grad_batches attention_head batch_size devices early_stopping_patience
    edge_schema graph_dir learning_rate lr_scheduler_factor lr_scheduler_patience lr_scheduler_type
    num_epochs num_workers pooling_type precision save_dir seed topology_schema train_label_file
    val_label_file use_val_spearman_as_secondary spearman_secondary_min_delta
    spearman_secondary_weight progress_bar_refresh_rate log_every_n_steps metadata_path
    summary_path coverage profiling mlflow
    """.split()  # noqa: SIM905
)

ALL = """\
# The reference's way.
accelerator: cuda
accumulate_grad_batches: 16
attention_head: 4
batch_size: 24
devices: 2
early_stopping_patience: 45
edge_schema: {use_layer_norm: false, variant: 24D/MIN, dim: 24}
graph_dir: ../graphs
learning_rate: 3.5e-3
lr_scheduler_factor: 0.2
lr_scheduler_patience: 6
lr_scheduler_type: reduce_on_plateau
num_epochs: 260
num_workers: 2
pooling_type: add
precision: 16
save_dir: runs
seed: 777
topology_schema: {dim: 140}
train_label_file: train.csv
val_label_file: val.csv
use_val_spearman_as_secondary: false
spearman_secondary_min_delta: 0.02
spearman_secondary_weight: 0.5
progress_bar_refresh_rate: 10
log_every_n_steps: 50
metadata_path: meta.json
summary_path:
coverage: {minimum_percent: 0.9, fail_on_missing: false}
profiling: {enabled: false}
mlflow: {enabled: true, tags: {a: b}}
"""


def test_every_key_of_the_contract_is_known() -> None:
    assert {*FLAT_KEYS, *SHARED_SECTIONS} == KEYS_OF_THE_CONTRACT


def test_all_keys_arrive(write, here: Path) -> None:
    config = load_config(write("configs/flat.yaml", ALL)).config
    root = here.resolve()
    said = config.model_dump(mode="json")
    said["trainer"].pop("threads")
    assert said == {
        "paths": {
            "graph": str(root / "graphs"),
            "train_labels": str(root / "configs/train.csv"),
            "val_labels": str(root / "configs/val.csv"),
            "test_labels": None,
            "dataset": None,
            "metadata": str(root / "configs/meta.json"),
            "summary": None,
            "save_dir": "runs",
        },
        "model": {
            "architecture": "proteingat",
            "attention_head": 4,
            "pooling_type": "add",
            "options": {},
        },
        "dataloader": {"batch_size": 24, "num_workers": 2, "seed": 777},
        "trainer": {
            "accelerator": "cuda",
            "devices": 2,
            "precision": 16,
            "num_epochs": 260,
            "accumulate_grad_batches": 16,
        },
        "optimizer": {"learning_rate": 0.0035},
        "scheduler": {"type": "reduce_on_plateau", "factor": 0.2, "patience": 6},
        "early_stopping": {"patience": 45},
        "selection": {
            "primary_metric": "auto",
            "use_val_spearman": False,
            "spearman_weight": 0.5,
            "spearman_min_delta": 0.02,
        },
        "coverage": {"minimum_percent": 0.9, "fail_on_missing": False},
        "logging": {"progress_bar_refresh_rate": 10, "log_every_n_steps": 50},
        "edge_schema": {"use_layer_norm": False},
        "mlflow": {
            "enabled": True,
            "tracking_uri": "./mlruns",
            "experiment": "dynamic_topoqa",
            "run_name": None,
            "log_artifacts": True,
            "tags": {"a": "b"},
        },
        "reference": {
            "edge_schema": {"variant": "24D/MIN", "dim": 24},
            "topology_schema": {"dim": 140},
            "profiling": {"enabled": False},
        },
    }


def test_faults_name_the_flat_keys_and_their_lines(write, over, fault) -> None:
    path = write(
        "flat.yaml",
        """\
        graph_dir: g
        train_label_file: t.csv

        learning_rate: -1
        lr_schedular_factor: 0.2
        coverage:
          minimum_percen: 3
        edge_schema: {use_layer_norm: 3}
        """,
    )
    error = fault(lambda: load_config(path, over("optimizer.learning_rte=1")))
    words = "missing: val_label_file; give graph_dir, train_label_file, val_label_file"
    assert error.details == (
        f"flat.yaml: {words}",
        "flat.yaml:4: learning_rate: should be greater than 0, not -1",
        "flat.yaml:5: lr_schedular_factor: unknown key; did you mean 'lr_scheduler_factor'?",
        "flat.yaml:7: coverage.minimum_percen: unknown key; did you mean 'minimum_percent'?",
        "flat.yaml:8: edge_schema.use_layer_norm: should be a valid boolean, not 3",
        "-o optimizer.learning_rte=1: unknown key; did you mean 'learning_rate'?",
    )


def test_overrides_of_a_flat_config_are_dotted(write, over, here: Path) -> None:
    path = write("configs/flat.yaml", ALL)
    config = load_config(path, over("trainer.num_epochs=3", "paths.graph=g")).config
    assert config.trainer.num_epochs == 3
    assert config.paths.graph == here.resolve() / "g"


def test_both_shapes_in_one_file(write, fault) -> None:
    path = write(
        "mixed.yaml",
        """\
        paths: {dataset: demo}
        learning_rate: 0.1
        trainer: {num_epochs: none}
        graph_dir: x
        """,
    )
    assert fault(lambda: load_config(path)).details == (
        "mixed.yaml:2: learning_rate: "
        "a flat key in a config of sections; write it as optimizer.learning_rate",
        "mixed.yaml:3: trainer.num_epochs: should be a valid integer, not 'none'",
        "mixed.yaml:4: graph_dir: a flat key in a config of sections; write it as paths.graph",
    )


def test_sections_of_both_shapes_leave_a_file_structured(write, over) -> None:
    path = write("x.yaml", "coverage: {fail_on_missing: false}\nmlflow: {enabled: false}\n")
    assert not load_config(path, over("paths.dataset=demo")).config.coverage.fail_on_missing


def test_written_out_in_sections(write, here: Path) -> None:
    loaded = load_config(write("configs/flat.yaml", ALL))
    assert load_config(write("deep/down/config.yaml", loaded.to_yaml())).config == loaded.config
