from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from topoqa_train.config.load import load_config
from topoqa_train.config.models import SECTIONS, SelectionConfig, TrainingConfig
from topoqa_train.errors import ConfigError

MINIMAL = {"paths": {"dataset": "demo"}}


def made(**sections: object) -> TrainingConfig:
    return TrainingConfig.model_validate({**MINIMAL, **sections})


def test_defaults_are_those_of_the_contract() -> None:
    config = made()
    said = config.model_dump(mode="json")
    said["model"].pop("options")
    said["trainer"].pop("threads")
    said.pop("reference")
    said.pop("paths")
    assert said == {
        "model": {"architecture": "proteingat", "attention_head": 8, "pooling_type": "mean"},
        "dataloader": {"batch_size": 16, "num_workers": 0, "seed": 222},
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "precision": 32,
            "num_epochs": 200,
            "accumulate_grad_batches": 32,
        },
        "optimizer": {"learning_rate": 0.005},
        "scheduler": {"type": "reduce_on_plateau", "factor": 0.5, "patience": 10},
        "early_stopping": {"patience": 20},
        "selection": {
            "primary_metric": "auto",
            "use_val_spearman": True,
            "spearman_weight": 1.0,
            "spearman_min_delta": 0.0,
        },
        "coverage": {"minimum_percent": 100, "fail_on_missing": True},
        "logging": {"progress_bar_refresh_rate": 0, "log_every_n_steps": 100},
        "edge_schema": {"use_layer_norm": True},
        "mlflow": {
            "enabled": False,
            "tracking_uri": "./mlruns",
            "experiment": "dynamic_topoqa",
            "run_name": None,
            "log_artifacts": True,
            "tags": {},
        },
    }
    assert config.trainer.threads == 1


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("trainer.precision", [16, 32, 64, "16", "bf16", "bf16-mixed", "16-true", "64-true"]),
        ("trainer.devices", [1, 4, -1, "auto", [0], [1, 3]]),
        ("trainer.accelerator", ["cpu", "cuda", "gpu", "mps", "auto"]),
        ("trainer.threads", [1, 64]),
        ("model.pooling_type", ["mean", "add", "max"]),
        ("optimizer.learning_rate", [1, 1e-9, 0.005]),
        ("scheduler.patience", [0, 10]),
        ("early_stopping.patience", [0, 45]),
        ("coverage.minimum_percent", [0, 0.95, 1, 95, 100]),
        ("dataloader.seed", [0, 2**32 - 1]),
        ("mlflow.tags", [{"a": 1, "b": "x", "c": True, "d": 0.5}]),
        ("model.options", [{"layers": [1, 2], "nested": {"a": None}}]),
        ("mlflow.run_name", [None, "x"]),
    ],
)
def test_what_is_taken(key: str, good: list[object]) -> None:
    section, name = key.split(".")
    for value in good:
        config = made(**{section: {name: value}})
        kept = getattr(getattr(config, section), name)
        assert kept == (tuple(value) if isinstance(value, list) else value)
        assert isinstance(kept, bool) == isinstance(value, bool)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("optimizer.learning_rate", "fast", "should be a valid number, not 'fast'"),
        ("optimizer.learning_rate", "0", "should be greater than 0, not 0"),
        ("optimizer.learning_rate", "true", "should be a valid number, not true"),
        ("optimizer.learning_rate", ".nan", ".nan is not a finite number"),
        ("optimizer.learning_rate", "", "has no value"),
        ("optimizer.learning_rate", "'0.1'", "should be a valid number, not '0.1'"),
        ("trainer.num_epochs", "0", "should be greater than or equal to 1, not 0"),
        ("trainer.num_epochs", "1.5", "should be a valid integer, not 1.5"),
        ("trainer.num_epochs", "true", "should be a valid integer, not true"),
        ("trainer.num_epochs", "[1]", "should be a valid integer, not a list"),
        ("trainer.num_epochs", "9999999999999999999999", "should be less than or equal to"),
        ("trainer.precision", "fast", "should be 16, 32, 64, '16'"),
        ("trainer.precision", "true", "should be 16, 32, 64, '16'"),
        ("trainer.devices", "0", "should be a number of devices"),
        ("trainer.devices", "true", "should be a number of devices"),
        (
            "trainer.devices",
            "[0, 0]",
            "should be a number of devices",
        ),
        (
            "trainer.devices",
            "[]",
            "should be a number of devices",
        ),
        (
            "trainer.devices",
            "[true]",
            "should be a number of devices",
        ),
        ("trainer.accelerator", "tpu", "should be 'cpu', 'gpu', 'cuda'"),
        ("trainer.threads", "0", "should be greater than or equal to 1, not 0"),
        ("dataloader.batch_size", "0", "should be greater than or equal to 1, not 0"),
        ("dataloader.num_workers", "-1", "should be greater than or equal to 0, not -1"),
        ("dataloader.seed", "4294967296", "less than or equal to 4294967295"),
        ("scheduler.factor", "1", "should be less than 1, not 1"),
        ("scheduler.factor", "0", "should be greater than 0, not 0"),
        ("scheduler.patience", "-1", "should be greater than or equal to 0, not -1"),
        ("scheduler.type", "cosine", "should be 'reduce_on_plateau', not 'cosine'"),
        ("early_stopping.patience", "-2", "should be greater than or equal to 0, not -2"),
        ("selection.primary_metric", "rho", "should be 'auto', 'selection_metric'"),
        ("selection.use_val_spearman", "yes", "should be a valid boolean, not 'yes'"),
        ("selection.use_val_spearman", "1", "should be a valid boolean, not 1"),
        ("selection.spearman_weight", "-1", "should be greater than or equal to 0, not -1"),
        ("coverage.minimum_percent", "101", "should be less than or equal to 100, not 101"),
        ("model.pooling_type", "avg", "should be 'mean', 'add' or 'max', not 'avg'"),
        ("model.architecture", "5", "should be text (put it in quotes), not 5"),
        ("model.architecture", "''", "is empty"),
        ("model.options", "[]", "should be a mapping (`key: value` lines), not a list"),
        ("mlflow.tags", "{a: []}", "should be text, a number, true or false, not a list"),
        ("mlflow.enabled", "no", "should be a valid boolean, not 'no'"),
        ("logging.log_every_n_steps", "0", "should be greater than or equal to 1, not 0"),
        ("edge_schema.use_layer_norm", "norm", "should be a valid boolean, not 'norm'"),
        ("paths.graph", "5", "should be a path, not 5"),
        ("paths.graph", "''", "is not a usable path: it is empty"),
        ("paths.metadata", "[x]", "should be a path, not a list"),
        ("paths.dataset", "''", "is empty"),
    ],
)
def test_what_is_refused_and_how(key: str, value: str, words: str, write, fault) -> None:
    section, name = key.split(".")
    rest = "" if section == "paths" else "paths: {dataset: demo}\n"
    more = "  dataset: demo\n" if section == "paths" and name != "dataset" else ""
    path = write("x.yaml", f"{rest}{section}:\n  {name}: {value}\n{more}")
    error: ConfigError = fault(lambda: load_config(path))
    (problem,) = error.problems
    assert words in problem.message
    assert problem.line == (2 if section == "paths" else 3)
    assert "input" not in problem.message.lower()


def test_every_number_has_bounds() -> None:
    for name, section in SECTIONS.items():
        for key, field in section.model_fields.items():
            if field.annotation in (int, float):
                bounds = {type(rule).__name__ for rule in field.metadata}
                assert bounds & {"Ge", "Gt"}, f"{name}.{key}"
                assert bounds & {"Le", "Lt"}, f"{name}.{key}"


def test_models_are_frozen() -> None:
    config = made()
    with pytest.raises(ValidationError):
        config.trainer.num_epochs = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("primary", "use_spearman", "ranking"),
    [
        ("auto", True, "selection_metric"),
        ("auto", False, "val_loss"),
        ("val_loss", True, "val_loss"),
        ("selection_metric", False, "selection_metric"),
    ],
)
def test_ranking_metric(primary: str, use_spearman: bool, ranking: str) -> None:
    selection = SelectionConfig.model_validate(
        {"primary_metric": primary, "use_val_spearman": use_spearman}
    )
    assert selection.ranking_metric == ranking


@pytest.mark.parametrize(
    ("given", "percent"),
    [(0, 0), (0.07, 7), (0.95, 95), (1, 100), (1.5, 1.5), (95, 95), (100, 100)],
)
def test_coverage_takes_ratios(given: float, percent: float) -> None:
    assert made(coverage={"minimum_percent": given}).coverage.required_percent == percent


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ({}, "missing: graph, train_labels, val_labels; give"),
        ({"graph": "g"}, "missing: train_labels, val_labels; give"),
        ({"graph": "g", "train_labels": "t"}, "missing: val_labels; give"),
    ],
)
def test_data_have_to_be_named(
    paths: dict[str, str], words: str, write: Callable[[str, str], Path], fault
) -> None:
    lines = "".join(f"  {key}: {value}\n" for key, value in paths.items())
    path = write("x.yaml", f"model:\npaths:\n{lines}")
    (problem,) = fault(lambda: load_config(path)).problems
    assert words in problem.message
    assert "give graph, train_labels, val_labels, or dataset" in problem.message
    assert (problem.key, problem.line) == ("paths", 2)
