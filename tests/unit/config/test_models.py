from __future__ import annotations

import pytest

from topoqa_train.config.load import load_config
from topoqa_train.config.models import SECTIONS, SelectionConfig, TrainingConfig
from topoqa_train.errors import ConfigError


def config_of(**sections: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"paths": {"dataset": "demo"}, **sections})


def test_defaults_are_those_of_the_contract() -> None:
    values = config_of().model_dump(mode="json")
    del values["paths"], values["reference"], values["model"]["options"]
    trackers = {name for name, model in SECTIONS.items() if "enabled" in model.model_fields}
    assert {name: section for name, section in values.items() if name not in trackers} == {
        "model": {"architecture": "proteingat", "attention_head": 8, "pooling_type": "mean"},
        "dataloader": {"batch_size": 16, "num_workers": 0, "seed": 222},
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "precision": 32,
            "num_epochs": 200,
            "accumulate_grad_batches": 32,
            "threads": 1,
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
    }
    assert values["mlflow"] == {
        "enabled": False,
        "tracking_uri": "./mlruns",
        "experiment": "dynamic_topoqa",
        "run_name": None,
        "log_artifacts": True,
        "tags": {},
    }


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("trainer.precision", [16, 32, 64, "16", "bf16", "bf16-mixed", "16-true", "64-true"]),
        ("trainer.devices", [1, 4, -1, "auto", [0], [1, 3]]),
        ("trainer.accelerator", ["cpu", "cuda", "gpu", "mps", "auto"]),
        ("model.pooling_type", ["mean", "add", "max"]),
        ("optimizer.learning_rate", [1, 1e-9, 0.005]),
        ("scheduler.patience", [0, 10]),
        ("coverage.minimum_percent", [0, 0.95, 1, 95, 100]),
        ("dataloader.seed", [0, 2**32 - 1]),
        ("mlflow.tags", [{"a": 1, "b": "x", "c": True, "d": 0.5}]),
        ("model.options", [{"layers": [1, 2], "nested": {"a": None}}]),
        ("mlflow.run_name", [None, "x"]),
    ],
)
def test_valid_values(key: str, good: list[object]) -> None:
    section, name = key.split(".")
    for value in good:
        kept = getattr(getattr(config_of(**{section: {name: value}}), section), name)
        assert kept == (tuple(value) if isinstance(value, list) else value)
        assert isinstance(kept, bool) == isinstance(value, bool)


INVALID = {
    "optimizer.learning_rate": {
        "fast": "should be a valid number, not 'fast'",
        "0": "should be greater than 0, not 0",
        "true": "should be a valid number, not true",
        ".nan": ".nan is not a finite number",
        "": "has no value",
        "'0.1'": "should be a valid number, not '0.1'",
    },
    "trainer.num_epochs": {
        "0": "should be greater than or equal to 1, not 0",
        "1.5": "should be a valid integer, not 1.5",
        "true": "should be a valid integer, not true",
        "[1]": "should be a valid integer, not a list",
        "9999999999999999999999": "should be less than or equal to",
    },
    "trainer.precision": {"fast": "should be 16, 32, 64, '16'", "true": "should be 16, 32, 64"},
    "trainer.devices": dict.fromkeys(
        ("0", "true", "[0, 0]", "[]", "[true]"), "should be a number of devices"
    ),
    "trainer.accelerator": {"tpu": "should be 'cpu', 'gpu', 'cuda', 'mps' or 'auto', not 'tpu'"},
    "dataloader.num_workers": {"-1": "should be greater than or equal to 0, not -1"},
    "dataloader.seed": {"4294967296": "should be less than or equal to 4294967295"},
    "scheduler.factor": {"1": "should be less than 1, not 1", "0": "should be greater than 0"},
    "scheduler.type": {"cosine": "should be 'reduce_on_plateau', not 'cosine'"},
    "selection.primary_metric": {"rho": "should be 'auto', 'selection_metric' or 'val_loss'"},
    "selection.use_val_spearman": dict.fromkeys(("yes", "1"), "should be a valid boolean, not"),
    "coverage.minimum_percent": {"101": "should be less than or equal to 100, not 101"},
    "model.architecture": {"5": "should be text (put it in quotes), not 5", "''": "is empty"},
    "model.options": {"[]": "should be a mapping (`key: value` lines), not a list"},
    "mlflow.tags": {"{a: []}": "should be text, a number, true or false, not a list"},
    "paths.graph": {
        "5": "should be a path, not 5",
        "''": "is not a usable path: it is empty",
        "~nobody_of_that_name/x": "is not a usable path",
    },
    "paths.metadata": {"[x]": "should be a path, not a list"},
    "paths.dataset": {"''": "is empty"},
}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [(key, value, words) for key, rows in INVALID.items() for value, words in rows.items()],
)
def test_invalid_values(key: str, value: str, words: str, write, error_of) -> None:
    section, name = key.split(".")
    rest = "" if section == "paths" else "paths: {dataset: demo}\n"
    more = "  dataset: demo\n" if section == "paths" and name != "dataset" else ""
    path = write("x.yaml", f"{rest}{section}:\n  {name}: {value}\n{more}")
    error: ConfigError = error_of(lambda: load_config(path))
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
    values = {"primary_metric": primary, "use_val_spearman": use_spearman}
    assert SelectionConfig.model_validate(values).ranking_metric == ranking


@pytest.mark.parametrize(
    ("given", "percent"),
    [(0, 0), (0.07, 7), (0.95, 95), (1, 100), (1.5, 1.5), (95, 95), (100, 100)],
)
def test_coverage_may_be_a_ratio(given: float, percent: float) -> None:
    assert config_of(coverage={"minimum_percent": given}).coverage.required_percent == percent


@pytest.mark.parametrize(
    ("paths", "missing"),
    [
        ({}, "graph, train_labels, val_labels"),
        ({"graph": "g"}, "train_labels, val_labels"),
        ({"graph": "g", "train_labels": "t"}, "val_labels"),
    ],
)
def test_data_have_to_be_named(paths: dict[str, str], missing: str, write, error_of) -> None:
    lines = "".join(f"  {key}: {value}\n" for key, value in paths.items())
    path = write("x.yaml", f"model:\npaths:\n{lines}")
    (problem,) = error_of(lambda: load_config(path)).problems
    assert f"missing: {missing}; give" in problem.message
    assert "or dataset" in problem.message
    assert (problem.key, problem.line) == ("paths", 2)
