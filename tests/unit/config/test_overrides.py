from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train.config.load import load_config
from topoqa_train.config.overrides import Override, parse_override, parse_trainer_args

DEMO = "paths: {dataset: demo}\n"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("trainer.num_epochs=10", "trainer.num_epochs", 10),
        ("optimizer.learning_rate=5e-3", "optimizer.learning_rate", 0.005),
        (" trainer.devices = [0, 1]", "trainer.devices", [0, 1]),
        ("mlflow.tags={a: b=c}", "mlflow.tags", {"a": "b=c"}),
        ("mlflow.run_name=", "mlflow.run_name", None),
        ("mlflow.run_name='5'", "mlflow.run_name", "5"),
        ("paths.graph=~/g", "paths.graph", "~/g"),
        ("jobs.a-b+c.overrides.x=true", "jobs.a-b+c.overrides.x", True),
    ],
)
def test_key_and_yaml_value(text: str, key: str, value: object) -> None:
    override = parse_override(text, base=Path("/somewhere"))
    assert (override.key, override.value) == (key, value)
    assert (override.place.base, override.origin) == (Path("/somewhere"), "command line")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trainer.num_epochs", "is not KEY=VALUE, as in -o trainer.num_epochs=10"),
        ("=5", "is not KEY=VALUE"),
        ("", "is not KEY=VALUE"),
        ("a b=5", "'a b' is not a dotted key"),
        (".a=5", "'.a' is not a dotted key"),
        ("a..b=5", "'a..b' is not a dotted key"),
        ("a=[1", "a bracket is never closed"),
        ("a=!x 1", "the tag !x is not supported"),
        ("a=.inf", ".inf is not a finite number"),
        ("a=\x00", "holds a control character"),
        ("a=\udcff", "holds a control character"),
    ],
)
def test_invalid_overrides(text: str, words: str, error_of) -> None:
    error = error_of(lambda: parse_override(text, base=Path()))
    assert error.message.startswith("-o ")
    assert words in error.message
    assert error.details == ()


def test_the_last_one_wins_and_paths_start_from_base(write, over, here: Path) -> None:
    path = write("configs/x.yaml", DEMO + "trainer: {num_epochs: 5}\n")
    loaded = load_config(
        path, over("trainer.num_epochs=6", "trainer.num_epochs=7", "paths.graph=g")
    )
    assert loaded.config.trainer.num_epochs == 7
    assert loaded.config.paths.graph == here.resolve() / "g"
    assert loaded.config.paths.dataset == "demo"


def test_an_override_can_correct_a_file(write, over) -> None:
    path = write("x.yaml", "optimizer: {learning_rate: fast}\n")
    loaded = load_config(path, over("optimizer.learning_rate=0.1", "paths.dataset=demo"))
    assert loaded.config.optimizer.learning_rate == 0.1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trainer.num_epoch=3", "unknown key; did you mean 'num_epochs'?"),
        ("trainr.num_epochs=3", "unknown section; did you mean 'trainer'?"),
        ("num_epochs=3", "unknown key; did you mean 'trainer.num_epochs'?"),
        ("trainer.num_epochs=many", "should be a valid integer, not 'many'"),
        ("trainer.num_epochs.x=3", "should be a valid integer, not a mapping"),
        ("trainer=5", "should be a mapping (`key: value` lines), not 5"),
        ("trainer=", "has no value"),
        ("trainer.num_epochs=", "has no value"),
        ("trainer={num_epochs: 0}", "should be greater than or equal to 1, not 0"),
        ("mlflow.tags.a=[1]", "should be text, a number, true or false, not a list"),
        ("paths.graph=''", "is not a usable path: it is empty"),
        ("zzz=1", "unknown section"),
        ("trainer.devices.x=1", "should be a number of devices"),
    ],
)
def test_an_error_names_the_override(text: str, words: str, write, over, error_of) -> None:
    path = write("x.yaml", DEMO)
    error = error_of(lambda: load_config(path, over(text)))
    assert error.message.startswith(f"-o {text}: {words}")


def test_errors_of_file_and_overrides_together(write, over, error_of) -> None:
    path = write("x.yaml", DEMO + "optimizer: {learning_rate: fast}\n")
    error = error_of(
        lambda: load_config(path, over("trainer.num_epoch=3", "model.pooling_type=avg"))
    )
    assert error.message == "x.yaml is not a valid config:"
    assert error.details == (
        "x.yaml:2: optimizer.learning_rate: should be a valid number, not 'fast'",
        "-o model.pooling_type=avg: should be 'mean', 'add' or 'max', not 'avg'",
        "-o trainer.num_epoch=3: unknown key; did you mean 'num_epochs'?",
    )


def test_several_invalid_overrides(write, over, error_of) -> None:
    path = write("x.yaml", DEMO)
    error = error_of(lambda: load_config(path, over("a.b=3", "c.d=avg")))
    assert error.message == "these overrides of x.yaml are not valid:"
    assert len(error.details) == 2


def test_an_override_of_the_environment_is_named_by_its_variable(write, error_of) -> None:
    path = write("x.yaml", DEMO)
    override = Override.given("dataloader.num_workers", "two", Path(), "NUM_WORKERS_OVERRIDE")
    error = error_of(lambda: load_config(path, [override]))
    assert error.message == (
        "NUM_WORKERS_OVERRIDE: dataloader.num_workers: should be a valid integer, not 'two'"
    )


def test_mappings_are_merged(write, over) -> None:
    path = write("x.yaml", DEMO + "trainer: {threads: 3}\nmlflow: {tags: {a: 1}}\n")
    loaded = load_config(path, over("trainer={num_epochs: 9}", "mlflow.tags={b: 2}")).config
    assert (loaded.trainer.threads, loaded.trainer.num_epochs) == (3, 9)
    assert loaded.mlflow.tags == {"a": 1, "b": 2}
    replaced = load_config(path, over("mlflow.tags={}", "mlflow.tags.c=3"))
    assert replaced.config.mlflow.tags == {"c": 3}
    assert replaced.applied_overrides() == {"mlflow.tags": {}, "mlflow.tags.c": 3}
    assert load_config(path, over("trainer={}")).config.trainer.threads == 3


def test_document_of_what_was_applied(write, over, here: Path) -> None:
    path = write("configs/x.yaml", DEMO)
    overrides = [
        *over("paths.graph=g", "trainer.num_epochs=5"),
        Override.given("trainer.num_epochs", 6, here, "EPOCHS"),
    ]
    assert load_config(path, overrides).applied_overrides() == {
        "paths.graph": str(here.resolve() / "g"),
        "trainer.num_epochs": 6,
    }


def test_trainer_arguments() -> None:
    texts = ["gradient_clip_val=0.5", "deterministic=false", "gradient_clip_val=1e-1"]
    assert parse_trainer_args(texts) == {"gradient_clip_val": 0.1, "deterministic": False}


@pytest.mark.parametrize("text", ["a", "a.b=1", "=1", "a=[1", "2a=1"])
def test_invalid_trainer_arguments(text: str, error_of) -> None:
    assert error_of(lambda: parse_trainer_args([text])).message.startswith(
        f"--trainer-arg {text}: "
    )
