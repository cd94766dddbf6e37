"""The schemas accept and refuse the same files as the loader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from topoqa_train.config import schema
from topoqa_train.config.legacy import FLAT_KEYS
from topoqa_train.config.load import config_from_bytes
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.manifest_models import JobEntry, SharedEntry
from topoqa_train.config.models import SECTIONS
from topoqa_train.config.recipes import find_recipe, shipped_names
from topoqa_train.errors import ConfigError

TOP = Path(__file__).resolve().parents[3]
CONFIG = Draft7Validator(schema.config_schema())
MANIFEST = Draft7Validator(schema.manifest_schema())
# Values of every kind; without 16.0, which is an integer in JSON.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 16, 0.5, 1.5, -0.5, 10**7, 2**33),
    *("", "x", "cpu", "mean", "auto", "val_loss", "16-mixed", "32", "reduce_on_plateau"),
    *([], [0], [0, 0], [True], ["x"], {}, {"a": 1}, {"a": None}, {"a": {"b": [1]}}),
)
DATA = {"dataset": "demo"}
FLAT = {"graph_dir": "g", "train_label_file": "t.csv", "val_label_file": "v.csv"}
Document = dict[str, Any]


def accepts(load: Callable[..., object], *arguments: object) -> bool:
    try:
        load(*arguments)
    except ConfigError:
        return False
    return True


def test_the_schemas_are_valid() -> None:
    for made in (schema.config_schema(), schema.manifest_schema()):
        Draft7Validator.check_schema(made)


@pytest.mark.parametrize(
    ("file", "made"),
    [
        (f"configs/{schema.CONFIG_FILE}", schema.config_schema),
        (f"manifests/{schema.MANIFEST_FILE}", schema.manifest_schema),
    ],
)
def test_the_files_next_to_the_recipes_are_current(file: str, made: Callable[[], Document]) -> None:
    option = " --manifest" if "manifest" in file else ""
    assert json.loads((TOP / file).read_text("utf-8")) == made(), (
        f"stale: topoqa-train config schema{option} > {file}"
    )


@pytest.mark.parametrize("kind", ["configs", "manifests"])
def test_shipped_files_name_their_schema_and_satisfy_it(kind: Any) -> None:
    validator, name = {
        "configs": (CONFIG, schema.CONFIG_FILE),
        "manifests": (MANIFEST, schema.MANIFEST_FILE),
    }[kind]
    for recipe in shipped_names(kind):
        file = find_recipe(kind, recipe)
        text = file.read_text("utf-8")
        assert text.splitlines()[0] == f"# yaml-language-server: $schema={name}"
        assert (file.parent / name).is_file()
        validator.validate(YAML(typ="safe", pure=True).load(text))


def with_key(section: str, key: str, value: Any) -> Document:
    return {"paths": DATA, section: {**(DATA if section == "paths" else {}), key: value}}


CONFIGS: dict[str, list[Document]] = {
    f"{section}.{key}": [with_key(section, key, value) for value in VALUES]
    for section, model in SECTIONS.items()
    for key in model.model_fields
}
CONFIGS |= {
    f"flat {key}": [{**FLAT, key: value} for value in VALUES]
    for key in (*FLAT_KEYS, "coverage", "edge_schema", "mlflow")
}
CONFIGS |= {
    section: [{"paths": DATA, section: value} for value in VALUES]
    for section in (*SECTIONS, "optimiser")
}
CONFIGS["whole"] = [
    {},
    {"trainer": {"num_epochs": 3}},
    {"paths": {"graph": "g", "train_labels": "t"}},
    {"paths": {"graph": "g", "train_labels": "t", "val_labels": "v"}},
    {"paths": {"graph": "g", "train_labels": "t", "val_labels": None, "dataset": "demo"}},
    {"paths": {"dataset": None, "graph": "g", "train_labels": "t", "val_labels": "v"}},
    {"paths": {"dataset": "demo", "grahp": "g"}},
    {"graph_dir": "g", "train_label_file": "t"},
    {**FLAT, "val_label_file": None},
    {**FLAT, "coverage": None, "edge_schema": {"dim": 24, "use_layer_norm": False}},
    {**FLAT, "edge_schema": {"use_layer_norm": 3}},
    {**FLAT, "trainer": {"num_epochs": 3}},
    {"paths": DATA, "learning_rate": 0.1},
    {"coverage": {"minimum_percent": 3}},
]


@pytest.mark.parametrize("documents", CONFIGS.values(), ids=CONFIGS)
def test_configs(documents: list[Document]) -> None:
    for document in documents:
        loader = accepts(config_from_bytes, json.dumps(document).encode(), Path("x.yaml"))
        assert loader == CONFIG.is_valid(document), f"{document}: the loader gives {loader}"


JOB = {"name": "a", "config": "x"}
PHASES = {"phase1": {"config": "x"}, "phase2": {"config": "x", "seeds": [1, 2]}}
OVERRIDES = (
    *("trainer.num_epochs", "dataloader.seed", "mlflow.tags", "mlflow.tags.a", "model.options.a"),
    *("paths", "trainer", "mlflow", "paths.graph", "paths.dataset", "precision"),
    *("trainer.epochs", "learning_rate", "seed", "mlflow.tagss.a"),
)
NAMES = ("Latest", "history", "a/b", "-a", ".a", "a" * 129, "a b", "1a.")
# Only the loader checks `KEY=VALUE`, and only it knows that a config is left without data.
ONLY_LOADER = (("trainer_args", ["x"]), ("paths.dataset", None))
MANIFESTS: dict[str, list[Document]] = {
    f"jobs.{key}": [
        {"shared": {"config": "x"}, "jobs": [{"name": "a", key: value}]}
        for value in VALUES
        if (key, value) not in ONLY_LOADER
    ]
    for key in (*JobEntry.model_fields, "epochs")
}
MANIFESTS |= {
    f"shared.{key}": [
        {"shared": {"config": "x", key: value}, "jobs": [{"name": "a"}]}
        for value in VALUES
        if (key, value) not in ONLY_LOADER
    ]
    for key in (*SharedEntry.model_fields, "epochs")
}
MANIFESTS |= {
    f"overrides of {key}": [
        {"jobs": [{**JOB, "overrides": {key: value}}]}
        for value in VALUES
        if (key, value) not in ONLY_LOADER
    ]
    for key in OVERRIDES
}
MANIFESTS |= {
    f"names as {key}": [{"jobs": [{**JOB, key: name}]} for name in NAMES]
    for key in ("name", "run_name")
}
MANIFESTS["whole"] = [
    {},
    {"jobs": []},
    {"jobs": [{"name": "a"}]},
    {"jobs": [{"name": "a", "config": None}], "shared": {"config": "x"}},
    {"jobs": [JOB], "shared": None, "fine_tune": None},
    {"jobs": [{"name": "a"}], "shared": {"config": None}},
    {"jobs": [JOB, {"name": "b"}]},
    {"jobs": [JOB], "continue_on_error": None},
    {"jobs": [JOB], "continue_on_eror": True},
    {"jobs": [JOB], "fine_tune": PHASES},
    {"jobs": [JOB], "fine_tune": {"phase1": PHASES["phase1"]}},
    {"jobs": [JOB], "fine_tune": {**PHASES, "phase2": {"config": "x", "seeds": [1, 1]}}},
    {"jobs": [JOB], "fine_tune": {**PHASES, "phase2": {"config": "x", "seeds": []}}},
    {"jobs": [None]},
    {"jobs": JOB},
]


@pytest.mark.parametrize("documents", MANIFESTS.values(), ids=MANIFESTS)
def test_manifests(documents: list[Document], here: Path) -> None:
    # Each text of VALUES is the name of a config that exists, unless it is empty.
    for name in filter(None, (value for value in VALUES if isinstance(value, str))):
        (here / name).write_text("paths: {dataset: demo}\n")
    for document in documents:
        (here / "m.yaml").write_text(json.dumps(document))
        loader = accepts(load_manifest, Path("m.yaml"))
        assert loader == MANIFEST.is_valid(document), f"{document}: the loader gives {loader}"


def test_each_key_is_explained() -> None:
    for made in (schema.config_schema(), schema.manifest_schema()):
        for part in (made, *made["$defs"].values()):
            for key, value in part.get("properties", {}).items():
                assert value.keys() & {"description", "$ref"}, key
