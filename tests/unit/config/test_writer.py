from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from topoqa_train.config.load import load_config
from topoqa_train.config.overrides import Override
from topoqa_train.config.writer import dump_yaml
from topoqa_train.config.yaml.reader import parse_text
from topoqa_train.config.yaml.scalars import is_printable

COMMENTED = """\
# A newcomer's config.

paths:
  # the demo
  dataset: demo      # 24 complexes

# Short, to see it work.
trainer:
  num_epochs: 3      # few
  # threads: 2
optimizer: {learning_rate: 5.0e-3}   # as published

# The end.
"""


def test_comments_stay_where_they_belong(write, over) -> None:
    loaded = load_config(
        write("configs/x.yaml", COMMENTED),
        over("trainer.num_epochs=10", "optimizer.learning_rate=1"),
    )
    lines = loaded.to_yaml().splitlines()
    assert lines[:12] == [
        "# A newcomer's config.",
        "",
        "paths:",
        "  # the demo",
        "  dataset: demo      # 24 complexes",
        "",
        "# Short, to see it work.",
        "trainer:",
        "  num_epochs: 10     # few",
        "  # threads: 2",
        "  accelerator: cpu",
        "  devices: 1",
    ]
    (changed,) = [line for line in lines if line.startswith("optimizer: {learning_rate: 1.0}")]
    assert changed.endswith("  # as published")
    assert lines[-2:] == ["", "# The end."]


def test_every_value_is_said(write) -> None:
    loaded = load_config(write("x.yaml", COMMENTED))
    document, _ = parse_text(loaded.to_yaml())
    assert document is not None
    assert document.data["scheduler"] == {
        "type": "reduce_on_plateau",
        "factor": 0.5,
        "patience": 10,
    }
    assert document.data["trainer"]["threads"] == 1
    assert "reference" not in document.data
    assert "graph" not in document.data["paths"]


def test_writing_again_changes_nothing(write) -> None:
    text = load_config(write("x.yaml", COMMENTED)).to_yaml()
    assert load_config(write("y/config.yaml", text)).to_yaml() == text


def test_paths_stand_absolute_and_save_dir_as_it_stood(write, over, here: Path) -> None:
    path = write("configs/x.yaml", "paths: {dataset: demo, metadata: m.json, save_dir: runs}\n")
    document, _ = parse_text(load_config(path, over("paths.graph=g")).to_yaml())
    assert document is not None
    assert document.data["paths"] == {
        "dataset": "demo",
        "metadata": str(here.resolve() / "configs/m.json"),
        "save_dir": "runs",
        "graph": str(here.resolve() / "g"),
    }


def test_an_unset_value_is_unset_again(write, over) -> None:
    path = write("x.yaml", "paths:\n  dataset: demo\n  graph: g  # mine\n")
    loaded = load_config(path, over("paths.graph="))
    assert load_config(write("y/z.yaml", loaded.to_yaml())).config == loaded.config


@pytest.mark.parametrize(
    "source",
    [
        "paths: {dataset: demo}\nscheduler: &s {patience: 3}\nearly_stopping: *s\n",
        "paths: {dataset: demo}\nscheduler: &s {patience: 3}\nearly_stopping: {<<: *s}\n",
        "paths: {dataset: demo}\nscheduler: {patience: &p 3}\nearly_stopping: {patience: *p}\n",
        "%YAML 1.1\n---\npaths: {dataset: yes, metadata: on}\n",
        "paths: {dataset: demo}\ntrainer:\n",
        "paths: {dataset: demo}\ntrainer:\n# none\nmodel:\n",
        "paths: {dataset: demo}\nmlflow:\n  tags:\n    a: |\n      long\n      text\n    # c\n",
        "paths: {dataset: demo}\nmlflow: {tags: {1: 2026-01-31, yes: on}}\n",
        "paths: {dataset: demo}\ntrainer:\n  devices:\n    - 0\n    # one more\n    - 1\n  # end\n",
        "---\npaths: {dataset: demo}\n...\n",
        "paths: {dataset: demo}\nmlflow: {tags: {'': '', ' ': ' a '}}\n",
        "{paths: {dataset: demo}}",
        "? paths\n: dataset: demo\n",
        "paths: {dataset: demo}\r\ntrainer: {num_epochs: 0x10}\r\n",
        "paths: !!map {dataset: !!str 5}\n",
    ],
)
@pytest.mark.parametrize("override", [None, "early_stopping.patience=7", "mlflow.tags.a=x"])
def test_any_shape_of_yaml_reads_back(source: str, override: str | None, write, over) -> None:
    loaded = load_config(write("x.yaml", source), over(override) if override else ())
    assert load_config(write("y/z.yaml", loaded.to_yaml())).config == loaded.config


# --- the same for configs at random ---

text = st.text(max_size=12).filter(is_printable)
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
    "model.attention_head": whole,
    "model.pooling_type": st.sampled_from(["mean", "add", "max"]),
    "model.options": st.dictionaries(words, plain, max_size=3),
    "dataloader.seed": st.integers(0, 2**32 - 1),
    "trainer.devices": st.sampled_from([1, -1, "auto", [0], [0, 2]]),
    "trainer.precision": st.sampled_from([16, "16", "bf16-mixed"]),
    "trainer.num_epochs": whole,
    "optimizer.learning_rate": st.floats(1e-12, 1e3, exclude_min=True) | st.integers(1, 10),
    "scheduler.factor": st.floats(0.001, 0.999),
    "selection.use_val_spearman": st.booleans(),
    "selection.spearman_weight": st.floats(0, 1e6),
    "coverage.minimum_percent": st.floats(0, 100) | st.integers(0, 100),
    "mlflow.experiment": words,
    "mlflow.run_name": words | st.none(),
    "mlflow.tags": st.dictionaries(
        words, words | st.booleans() | st.integers() | st.floats(-1e9, 1e9), max_size=3
    ),
    "reference.profiling": st.dictionaries(words, plain, max_size=2),
}
some = st.fixed_dictionaries({}, optional=leaves)
comment = st.sampled_from(["", "\n", "# note\n", "\n# note\n\n", "  # in\n", "   \n"])
styles = st.lists(st.tuples(comment, st.booleans()), min_size=30, max_size=30)


def source_of(values: dict[str, Any], style: list[tuple[str, bool]]) -> str:
    """`values` as YAML, in blocks or on one line, with comments between and beside."""
    sections: dict[str, dict[str, Any]] = {"paths": {"dataset": "demo"}}
    for key, value in values.items():
        section, name = key.split(".")
        sections.setdefault(section, {})[name] = value
    remarks: Iterator[tuple[str, bool]] = iter(style * 3)
    parts = []
    for section, entries in sections.items():
        before, flow = next(remarks)
        parts.append(before.lstrip(" "))
        if flow:
            parts.append(f"{section}: {as_yaml(entries)}  # beside\n")
            continue
        parts.append(f"{section}:  # of section\n")
        for name, value in entries.items():
            remark, beside = next(remarks)
            parts.append(f"{remark}  {name}: {as_yaml(value)}{'  # beside' if beside else ''}\n")
    return "".join(parts) + next(remarks)[0]


def as_yaml(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    return shown.replace("\u2028", "\\u2028").replace("\x85", "\\u0085").replace("\x7f", "\\u007f")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(values=some, overrides=some, style=styles)
def test_any_config_reads_back_from_anywhere(
    values: dict[str, Any], overrides: dict[str, Any], style: list[tuple[str, bool]]
) -> None:
    with TemporaryDirectory() as folder:
        source = Path(folder) / "configs" / "x.yaml"
        source.parent.mkdir()
        source.write_text(source_of(values, style), encoding="utf-8", newline="")
        given_over = [Override(key, value, Path(folder)) for key, value in overrides.items()]
        loaded = load_config(source, given_over)
        written = Path(folder) / "run" / "config" / "config.yaml"
        written.parent.mkdir(parents=True)
        written.write_text(loaded.to_yaml(), encoding="utf-8", newline="")
        again = load_config(written)
        assert again.config == loaded.config
        assert loaded.to_yaml().count("# note") == source.read_text("utf-8").count("# note")


@settings(max_examples=100)
@given(st.dictionaries(words, plain, max_size=4))
@example({"a": "1_000", "b": "0x1f", "c": "~", "d": "", "e": "- x", "f": 1e-05, "g": "a\n\n b "})
def test_dump_of_plain_data_reads_back(document: dict[str, Any]) -> None:
    again, faults = parse_text(dump_yaml(document))
    assert not faults
    assert (again.data if again else None) == document
