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


def loads(document: Document) -> bool:
    try:
        config_from_bytes(json.dumps(document).encode(), Path("x.yaml"))
    except ConfigError:
        return False
    return True


def both(document: Document) -> tuple[bool, bool]:
    return loads(document), CONFIG.is_valid(document)


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
def test_the_files_beside_the_recipes_are_current(file: str, made: Callable[[], Document]) -> None:
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


KEYS = [(section, key) for section, model in SECTIONS.items() for key in model.model_fields]


@pytest.mark.parametrize(("section", "key"), KEYS, ids=lambda part: part)
def test_every_key_of_a_config(section: str, key: str) -> None:
    for value in VALUES:
        document = {"paths": dict(DATA)}
        document.setdefault(section, {})[key] = value
        loader, ours = both(document)
        assert loader == ours, f"{section}.{key}: {value!r}: the loader gives {loader}"


@pytest.mark.parametrize("key", [*FLAT_KEYS, "coverage", "edge_schema", "mlflow"])
def test_every_key_of_a_flat_config(key: str) -> None:
    for value in VALUES:
        loader, ours = both({**FLAT, key: value})
        assert loader == ours, f"{key}: {value!r}: the loader gives {loader}"


@pytest.mark.parametrize("section", [*SECTIONS, "optimiser"])
def test_every_section(section: str) -> None:
    for value in VALUES:
        loader, ours = both({"paths": DATA, section: value})
        assert loader == ours, f"{section}: {value!r}: the loader gives {loader}"


@pytest.mark.parametrize(
    "document",
    [
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
    ],
)
def test_whole_configs(document: Document) -> None:
    loader, ours = both(document)
    assert loader == ours


@pytest.fixture
def manifests(here: Path) -> Callable[[Document], tuple[bool, bool]]:
    """Return the verdicts of loader and schema on a manifest; the files it may name exist."""
    for name in ("x", "cpu", "mean", "auto", "val_loss", "16-mixed", "32", "reduce_on_plateau"):
        (here / name).write_text("paths: {dataset: demo}\n")

    def verdicts(document: Document) -> tuple[bool, bool]:
        (here / "m.yaml").write_text(json.dumps(document))
        try:
            load_manifest(Path("m.yaml"))
        except ConfigError:
            return False, MANIFEST.is_valid(document)
        return True, MANIFEST.is_valid(document)

    return verdicts


ENTRIES = [("jobs", key) for key in (*JobEntry.model_fields, "epochs")]
ENTRIES += [("shared", key) for key in (*SharedEntry.model_fields, "epochs")]


@pytest.mark.parametrize(("part", "key"), ENTRIES, ids=lambda part: part)
def test_every_key_of_jobs_and_shared(part: str, key: str, manifests: Any) -> None:
    for value in VALUES:
        # Only the loader checks `KEY=VALUE`.
        if key == "trainer_args" and value == ["x"]:
            continue
        job, shared = ({key: value}, {}) if part == "jobs" else ({}, {key: value})
        document = {"shared": {"config": "x", **shared}, "jobs": [{"name": "a", **job}]}
        loader, ours = manifests(document)
        assert loader == ours, f"{key}: {value!r}: the loader gives {loader}"


OVERRIDES = (
    *("trainer.num_epochs", "dataloader.seed", "mlflow.tags", "mlflow.tags.a", "model.options.a"),
    *("paths", "trainer", "mlflow", "paths.graph", "paths.dataset", "precision"),
    *("trainer.epochs", "learning_rate", "seed", "mlflow.tagss.a"),
)


@pytest.mark.parametrize("key", OVERRIDES)
def test_overrides(key: str, manifests: Any) -> None:
    for value in VALUES:
        document = {"jobs": [{"name": "a", "config": "x", "overrides": {key: value}}]}
        loader, ours = manifests(document)
        # Only the loader knows that this leaves the config without data.
        if key.startswith("paths.dataset") and value is None:
            continue
        assert loader == ours, f"{key}: {value!r}: the loader gives {loader}"


@pytest.mark.parametrize("name", ["Latest", "history", "a/b", "-a", ".a", "a" * 129, "a b", "1a."])
@pytest.mark.parametrize("key", ["name", "run_name"])
def test_names(key: str, name: str, manifests: Any) -> None:
    loader, ours = manifests({"jobs": [{"name": "a", "config": "x", key: name}]})
    assert loader == ours


PHASES = {"phase1": {"config": "x"}, "phase2": {"config": "x", "seeds": [1, 2]}}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"jobs": []},
        {"jobs": [{"name": "a"}]},
        {"jobs": [{"name": "a", "config": None}], "shared": {"config": "x"}},
        {"jobs": [{"name": "a", "config": "x"}], "shared": None, "fine_tune": None},
        {"jobs": [{"name": "a"}], "shared": {"config": None}},
        {"jobs": [{"name": "a", "config": "x"}, {"name": "b"}]},
        {"jobs": [{"name": "a", "config": "x"}], "continue_on_error": None},
        {"jobs": [{"name": "a", "config": "x"}], "continue_on_eror": True},
        {"jobs": [{"name": "a", "config": "x"}], "fine_tune": PHASES},
        {"jobs": [{"name": "a", "config": "x"}], "fine_tune": {"phase1": PHASES["phase1"]}},
        {
            "jobs": [{"name": "a", "config": "x"}],
            "fine_tune": {**PHASES, "phase2": {"config": "x", "seeds": [1, 1]}},
        },
        {
            "jobs": [{"name": "a", "config": "x"}],
            "fine_tune": {**PHASES, "phase2": {"config": "x", "seeds": [], "start_from": "sweep"}},
        },
        {"jobs": [None]},
        {"jobs": {"name": "a", "config": "x"}},
    ],
)
def test_whole_manifests(document: Document, manifests: Any) -> None:
    loader, ours = manifests(document)
    assert loader == ours


def test_each_key_is_explained() -> None:
    def unexplained(node: Any, path: str) -> list[str]:
        if isinstance(node, list):
            return [found for item in node for found in unexplained(item, path)]
        if not isinstance(node, dict):
            return []
        here = [
            f"{path}.{name}"
            for name, part in node.get("properties", {}).items()
            if "description" not in part and "$ref" not in part and path.split(".")[-1] != "anyOf"
        ]
        return here + [
            found for name, part in node.items() for found in unexplained(part, f"{path}.{name}")
        ]

    for made in (schema.config_schema(), schema.manifest_schema()):
        checks = {key: part for key, part in made.items() if key not in ("if", "then")}
        assert unexplained(checks, "") == []
