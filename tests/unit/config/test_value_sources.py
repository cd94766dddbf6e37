from __future__ import annotations

from pathlib import Path

from topoqa_train.config.load import LoadedConfig, load_config
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.value_sources import ValueSource, is_flat, values_of

STRUCTURED = """\
# A comment.
paths:
  graph: g
  train_labels: t.csv
  val_labels: v.csv
trainer: {num_epochs: 4}
optimizer:
mlflow:
  tags: {a: x, b: 2}
"""


def by_key(loaded: LoadedConfig) -> dict[str, tuple[object, ValueSource]]:
    return {value.key: (value.value, value.source) for value in values_of(loaded)}


def test_files_overrides_and_defaults(write, over, here: Path) -> None:
    path = write("x.yaml", STRUCTURED)
    given = ("trainer.num_epochs=9", "model={attention_head: 2}", "paths.graph=h")
    found = by_key(load_config(path, over(*given, "mlflow.tags.c=1", "mlflow.tags.a=y")))
    assert found["paths.train_labels"] == (
        here.resolve() / "t.csv",
        ValueSource("config", "paths.train_labels", path, 4),
    )
    assert found["trainer.num_epochs"] == (9, ValueSource("override", "-o trainer.num_epochs=9"))
    assert found["trainer.threads"] == (1, ValueSource("default"))
    assert found["optimizer.learning_rate"] == (0.005, ValueSource("default"))
    assert found["model.attention_head"][1].kind == "override"
    assert found["model.pooling_type"] == ("mean", ValueSource("default"))
    assert found["paths.graph"][0] == here.resolve() / "h"
    assert found["paths.graph"][1].kind == "override"
    assert found["mlflow.tags.b"] == (2, ValueSource("config", "mlflow.tags.b", path, 9))
    # An override of one tag leaves the others those of the file.
    assert [found[f"mlflow.tags.{tag}"][1].kind for tag in "ac"] == ["override", "override"]
    assert "mlflow.tags" not in found
    assert not [key for key in found if key.startswith("reference.")]


def test_every_value_of_the_config_is_listed(write) -> None:
    loaded = load_config(write("x.yaml", STRUCTURED))
    for value in values_of(loaded):
        section, key, *below = value.key.split(".")
        held = getattr(getattr(loaded.config, section), key)
        assert value.value == (held[below[0]] if below else held)
    assert {value.key.partition(".")[0] for value in values_of(loaded)} >= {"paths", "logging"}


def test_flat_keys_keep_their_names(write, over) -> None:
    path = write(
        "flat.yaml",
        """\
        graph_dir: g
        train_label_file: t.csv
        val_label_file: v.csv
        learning_rate: 0.02
        edge_schema: {use_layer_norm: false, dim: 24}
        """,
    )
    loaded = load_config(path, over("trainer.num_epochs=9"))
    found = by_key(loaded)
    assert is_flat(loaded)
    assert found["optimizer.learning_rate"] == (
        0.02,
        ValueSource("config", "learning_rate", path, 4),
    )
    assert found["edge_schema.use_layer_norm"][1].line == 5
    assert found["reference.edge_schema.dim"] == (
        24,
        ValueSource("config", "edge_schema.dim", path, 5),
    )
    assert found["trainer.num_epochs"] == (9, ValueSource("override", "-o trainer.num_epochs=9"))
    assert found["dataloader.seed"] == (222, ValueSource("default"))


def test_a_value_of_a_manifest_has_its_line(write, over) -> None:
    write("x.yaml", STRUCTURED)
    path = write(
        "m.yaml",
        """\
        shared:
          config: x.yaml
          overrides:
            trainer: {num_epochs: 5}
            dataloader.seed: 1
        jobs:
          - name: a
            overrides:
              dataloader.seed: 2
        """,
    )
    (job,) = load_manifest(path, over("optimizer.learning_rate=0.1")).jobs
    found = by_key(job.config)
    assert not is_flat(job.config)
    source = found["trainer.num_epochs"][1]
    assert (source.kind, source.line) == ("manifest", 4)
    assert (found["dataloader.seed"][0], found["dataloader.seed"][1].line) == (2, 9)
    assert found["optimizer.learning_rate"][1].kind == "override"
