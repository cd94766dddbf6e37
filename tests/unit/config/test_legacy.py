from __future__ import annotations

import json
import logging

import pytest

from topoqa_train.config.legacy import FLAT_KEYS, SHARED_SECTIONS
from topoqa_train.config.load import LoadedConfig, load_config

# Every flat key of the contract: a value, and the key in sections that it sets.
CONTRACT = {
    "accelerator": ("cuda", "trainer.accelerator"),
    "accumulate_grad_batches": (16, "trainer.accumulate_grad_batches"),
    "attention_head": (4, "model.attention_head"),
    "batch_size": (24, "dataloader.batch_size"),
    "devices": (2, "trainer.devices"),
    "early_stopping_patience": (45, "early_stopping.patience"),
    "graph_dir": ("/graphs", "paths.graph"),
    "learning_rate": (3.5e-3, "optimizer.learning_rate"),
    "log_every_n_steps": (50, "logging.log_every_n_steps"),
    "lr_scheduler_factor": (0.2, "scheduler.factor"),
    "lr_scheduler_patience": (6, "scheduler.patience"),
    "lr_scheduler_type": ("reduce_on_plateau", "scheduler.type"),
    "metadata_path": ("/meta.json", "paths.metadata"),
    "num_epochs": (260, "trainer.num_epochs"),
    "num_workers": (2, "dataloader.num_workers"),
    "pooling_type": ("add", "model.pooling_type"),
    "precision": (16, "trainer.precision"),
    "profiling": ({"enabled": False}, "reference.profiling"),
    "progress_bar_refresh_rate": (10, "logging.progress_bar_refresh_rate"),
    "save_dir": ("runs", "paths.save_dir"),
    "seed": (777, "dataloader.seed"),
    "spearman_secondary_min_delta": (0.02, "selection.spearman_min_delta"),
    "spearman_secondary_weight": (0.5, "selection.spearman_weight"),
    "summary_path": (None, "paths.summary"),
    "topology_schema": ({"dim": 140}, "reference.topology_schema"),
    "train_label_file": ("/train.csv", "paths.train_labels"),
    "use_val_spearman_as_secondary": (False, "selection.use_val_spearman"),
    "val_label_file": ("/val.csv", "paths.val_labels"),
}
SECTIONS = {
    "coverage": {"minimum_percent": 0.9, "fail_on_missing": False},
    "edge_schema": {"use_layer_norm": False, "variant": "24D/MIN", "dim": 24},
    "mlflow": {"enabled": True, "tags": {"a": "b"}},
}


def flat_config(write) -> LoadedConfig:
    values = {key: value for key, (value, _) in CONTRACT.items()}
    return load_config(write("configs/flat.yaml", json.dumps(values | SECTIONS)))


def test_every_key_of_the_contract_is_known() -> None:
    assert (set(FLAT_KEYS), set(SHARED_SECTIONS)) == (set(CONTRACT), set(SECTIONS))


def test_every_key_sets_its_value(write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "topoqa_train"):
        config = flat_config(write).config.model_dump(mode="json")
    without_effect = "edge_schema, topology_schema, profiling"
    assert f"flat.yaml: recorded, but without effect: {without_effect}" in caplog.text
    for value, key in CONTRACT.values():
        section, name = key.split(".")
        assert config[section][name] == value, key
    assert config["coverage"] == SECTIONS["coverage"]
    assert config["edge_schema"] == {"use_layer_norm": False}
    assert config["reference"]["edge_schema"] == {"variant": "24D/MIN", "dim": 24}
    assert config["mlflow"]["enabled"]
    assert config["mlflow"]["tags"] == {"a": "b"}


def test_errors_name_the_flat_keys_and_their_lines(write, over, error_of) -> None:
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
    error = error_of(lambda: load_config(path, over("optimizer.learning_rte=1")))
    assert error.details == (
        "flat.yaml: missing: val_label_file; give graph_dir, train_label_file, val_label_file",
        "flat.yaml:4: learning_rate: should be greater than 0, not -1",
        "flat.yaml:5: lr_schedular_factor: unknown key; did you mean 'lr_scheduler_factor'?",
        "flat.yaml:7: coverage.minimum_percen: unknown key; did you mean 'minimum_percent'?",
        "flat.yaml:8: edge_schema.use_layer_norm: should be a valid boolean, not 3",
        "-o optimizer.learning_rte=1: unknown key; did you mean 'learning_rate'?",
    )


def test_both_layouts_in_one_file(write, error_of) -> None:
    path = write(
        "mixed.yaml",
        """\
        paths: {dataset: demo}
        learning_rate: 0.1
        trainer: {num_epochs: none}
        graph_dir: x
        """,
    )
    flat = "a flat key in a config of sections; write it as"
    assert error_of(lambda: load_config(path)).details == (
        f"mixed.yaml:2: learning_rate: {flat} optimizer.learning_rate",
        "mixed.yaml:3: trainer.num_epochs: should be a valid integer, not 'none'",
        f"mixed.yaml:4: graph_dir: {flat} paths.graph",
    )


def test_sections_of_both_layouts_do_not_make_a_file_flat(write, over) -> None:
    path = write("x.yaml", "coverage: {fail_on_missing: false}\nmlflow: {enabled: false}\n")
    assert not load_config(path, over("paths.dataset=demo")).config.coverage.fail_on_missing


def test_written_in_sections(write) -> None:
    loaded = flat_config(write)
    assert load_config(write("deep/down/config.yaml", loaded.to_yaml())).config == loaded.config
