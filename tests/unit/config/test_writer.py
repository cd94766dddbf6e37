from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from topoqa_train.config.load import LoadedConfig, load_config
from topoqa_train.config.overrides import Override
from topoqa_train.config.writer import dump_yaml
from topoqa_train.config.yaml.reader import parse_text
from topoqa_train.config.yaml.scalars import is_printable


def written(loaded: LoadedConfig) -> Any:
    document, problems = parse_text(loaded.to_yaml())
    assert document is not None
    assert not problems
    return document.data


def test_every_value_is_written(write) -> None:
    source = "# Mine.\npaths: {dataset: demo}\noptimizer: {learning_rate: 5.0e-3}\n"
    data = written(load_config(write("x.yaml", source)))
    assert data["scheduler"] == {"type": "reduce_on_plateau", "factor": 0.5, "patience": 10}
    assert data["optimizer"]["learning_rate"] == 0.005
    assert "reference" not in data
    assert data["paths"] == {"dataset": "demo"}


def test_the_source_of_the_comments_is_named_and_a_rerun_writes_the_same_bytes(write) -> None:
    text = load_config(write("x.yaml", "paths: {dataset: demo}  # mine\n")).to_yaml()
    assert text.startswith("# All values in effect; original_config.yaml is the source")
    assert load_config(write("y/config.yaml", text)).to_yaml() == text


def test_data_paths_are_absolute_and_save_dir_is_as_given(write, over, here: Path) -> None:
    path = write("configs/x.yaml", "paths: {dataset: demo, metadata: m.json, save_dir: runs}\n")
    assert written(load_config(path, over("paths.graph=g")))["paths"] == {
        "dataset": "demo",
        "metadata": str(here.resolve() / "configs/m.json"),
        "save_dir": "runs",
        "graph": str(here.resolve() / "g"),
    }


@pytest.mark.parametrize(
    "source",
    [
        "paths: {dataset: demo}\nscheduler: &s {patience: 3}\nearly_stopping: *s\n",
        "paths: {dataset: demo}\nscheduler: &s {patience: 3}\nearly_stopping: {<<: *s}\n",
        "paths: {dataset: demo}\nscheduler: {patience: &p 3}\nearly_stopping: {patience: *p}\n",
        "%YAML 1.1\n---\npaths: {dataset: yes, metadata: on}\n",
        "paths: {dataset: demo}\ntrainer:\n# none\nmodel:\n",
        "paths: {dataset: demo}\nmlflow:\n  tags:\n    a: |\n      long\n      text\n    # c\n",
        "paths: {dataset: demo}\nmlflow: {tags: {1: 2026-01-31, yes: on, '': '', ' ': ' a '}}\n",
        "paths: {dataset: demo}\ntrainer:\n  devices:\n    - 0\n    # one more\n    - 1\n  # end\n",
        "---\npaths: {dataset: demo}\n...\n",
        "? paths\n: dataset: demo\n",
        "paths: {dataset: demo}\r\ntrainer: {num_epochs: 0x10}\r\n",
        "paths: !!map {dataset: !!str 5}\n",
    ],
)
def test_any_shape_of_yaml_reads_back(source: str, write) -> None:
    loaded = load_config(write("x.yaml", source))
    assert load_config(write("y/z.yaml", loaded.to_yaml())).config == loaded.config


# --- the same for configs at random ---

words = st.text("abcXYZ019 :#-_'\"{}[]&*!|>%@`,?~.=\n\té\u2028😀", min_size=1, max_size=12)
whole = st.integers(1, 1000)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | words | st.floats(-1e300, 1e300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
leaves = {
    "paths.graph": st.sampled_from(["g", "../g", "/abs/g h", "a: b", "#x", "é", "~root"]),
    "paths.test_labels": st.sampled_from(["t.csv", "'q'", "1", "true"]),
    "paths.save_dir": st.sampled_from(["runs", "../runs", "1.5"]),
    "model.architecture": words,
    "model.options": st.dictionaries(words, plain, max_size=3),
    "dataloader.seed": st.integers(0, 2**32 - 1),
    "trainer.devices": st.sampled_from([1, -1, "auto", [0], [0, 2]]),
    "trainer.precision": st.sampled_from([16, "16", "bf16-mixed"]),
    "trainer.num_epochs": whole,
    "optimizer.learning_rate": st.floats(1e-12, 1e3, exclude_min=True) | st.integers(1, 10),
    "selection.use_val_spearman": st.booleans(),
    "coverage.minimum_percent": st.floats(0, 100) | st.integers(0, 100),
    "mlflow.run_name": words | st.none(),
    "mlflow.tags": st.dictionaries(
        words, words | st.booleans() | st.integers() | st.floats(-1e9, 1e9), max_size=3
    ),
    "reference.profiling": st.dictionaries(words, plain, max_size=2),
}
some = st.fixed_dictionaries({}, optional=leaves)


def as_yaml(values: dict[str, Any]) -> str:
    sections: dict[str, dict[str, Any]] = {"paths": {"dataset": "demo"}}
    for key, value in values.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    # JSON is YAML but for a few characters.
    return json.dumps(sections, ensure_ascii=False).replace("\u2028", "\\u2028")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(values=some, overrides=some)
def test_any_config_reads_back_from_anywhere(
    values: dict[str, Any], overrides: dict[str, Any]
) -> None:
    with TemporaryDirectory() as folder:
        source = Path(folder) / "configs" / "x.yaml"
        source.parent.mkdir()
        source.write_text(as_yaml(values), encoding="utf-8", newline="")
        given_over = [Override.given(key, value, Path(folder)) for key, value in overrides.items()]
        loaded = load_config(source, given_over)
        copy = Path(folder) / "run" / "config" / "config.yaml"
        copy.parent.mkdir(parents=True)
        copy.write_text(loaded.to_yaml(), encoding="utf-8", newline="")
        assert load_config(copy).config == loaded.config


@settings(max_examples=100)
@given(st.dictionaries(words | st.text(max_size=12).filter(is_printable), plain, max_size=4))
@example({"a": "1_000", "b": "0x1f", "c": "~", "d": "", "e": "- x", "f": 1e-05, "g": "a\n\n b "})
@example({"k" * 200: ["a", {"b": "c"}], "<<": "x", "=": "y"})
def test_dump_of_plain_data_reads_back(document: dict[str, Any]) -> None:
    again, problems = parse_text(dump_yaml(document))
    assert not problems
    assert (again.data if again else None) == document
