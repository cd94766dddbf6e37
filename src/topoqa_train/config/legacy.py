"""Flat configs of the previous pipeline: one level of keys, accepted as they are."""

from __future__ import annotations

from typing import Any

from topoqa_train.config.models import SECTIONS, EdgeSchemaConfig
from topoqa_train.config.yaml.reader import Location
from topoqa_train.config.yaml.tree import Tree
from topoqa_train.errors import Problem
from topoqa_train.suggest import did_you_mean

FLAT_KEYS: dict[str, tuple[str, str]] = {
    "accelerator": ("trainer", "accelerator"),
    "accumulate_grad_batches": ("trainer", "accumulate_grad_batches"),
    "attention_head": ("model", "attention_head"),
    "batch_size": ("dataloader", "batch_size"),
    "devices": ("trainer", "devices"),
    "early_stopping_patience": ("early_stopping", "patience"),
    "graph_dir": ("paths", "graph"),
    "learning_rate": ("optimizer", "learning_rate"),
    "log_every_n_steps": ("logging", "log_every_n_steps"),
    "lr_scheduler_factor": ("scheduler", "factor"),
    "lr_scheduler_patience": ("scheduler", "patience"),
    "lr_scheduler_type": ("scheduler", "type"),
    "metadata_path": ("paths", "metadata"),
    "num_epochs": ("trainer", "num_epochs"),
    "num_workers": ("dataloader", "num_workers"),
    "pooling_type": ("model", "pooling_type"),
    "precision": ("trainer", "precision"),
    "profiling": ("reference", "profiling"),
    "progress_bar_refresh_rate": ("logging", "progress_bar_refresh_rate"),
    "save_dir": ("paths", "save_dir"),
    "seed": ("dataloader", "seed"),
    "spearman_secondary_min_delta": ("selection", "spearman_min_delta"),
    "spearman_secondary_weight": ("selection", "spearman_weight"),
    "summary_path": ("paths", "summary"),
    "topology_schema": ("reference", "topology_schema"),
    "train_label_file": ("paths", "train_labels"),
    "use_val_spearman_as_secondary": ("selection", "use_val_spearman"),
    "val_label_file": ("paths", "val_labels"),
}
# Sections that the flat layout has too, under the same name.
SHARED_SECTIONS = ("coverage", "edge_schema", "mlflow")
# Flat keys of these sections may be left without a value.
MAY_BE_EMPTY = {"reference", "paths"}


def is_flat(tree: Tree) -> bool:
    """Return whether the top level has flat keys, and no sections but those of both layouts."""
    return any(key in FLAT_KEYS for key in tree.data) and not _has_sections(tree)


def misplaced_keys(tree: Tree) -> list[Problem]:
    """Return a problem for every flat key of a file that has sections too."""
    if not _has_sections(tree):
        return []
    return [
        tree.problem((key,), f"a flat key in a config of sections; write it as {'.'.join(meant)}")
        for key, meant in FLAT_KEYS.items()
        if key in tree.data
    ]


def to_sections(flat: Tree) -> tuple[Tree, list[Problem]]:
    """Return a flat tree in sections, whose places keep the keys and lines of the flat file.

    Keys without effect (declared schemas, profiling) are put in the section `reference`.
    """
    # Moved into sections rather than checked by a model of its own: both layouts then have the same
    # types, bounds and defaults.
    tree = Tree({}, {(): flat.places[()]}, {where: key for key, where in FLAT_KEYS.items()})
    problems: list[Problem] = []
    for key, value in flat.data.items():
        if key in FLAT_KEYS:
            tree.data.setdefault(FLAT_KEYS[key][0], {})
            _move(flat, (key,), tree, FLAT_KEYS[key], value)
        elif key == "edge_schema" and isinstance(value, dict):
            _move_edge_schema(flat, tree, value)
        elif key in SHARED_SECTIONS:
            _move(flat, (key,), tree, (key,), value)
        else:
            guess = did_you_mean(key, [*FLAT_KEYS, *SHARED_SECTIONS], list_known=True)
            problems.append(flat.problem((key,), f"unknown key{guess}"))
    return tree, problems


def _has_sections(tree: Tree) -> bool:
    return any(key in SECTIONS and key not in SHARED_SECTIONS for key in tree.data)


def _move(flat: Tree, source: Location, tree: Tree, target: Location, value: Any) -> None:  # noqa: ANN401
    if value is None and target[0] in MAY_BE_EMPTY:
        return
    tree.set(target, value, flat.places[source])
    for below, place in flat.places.items():
        if below[: len(source)] == source and below != source:
            tree.places[target + below[len(source) :]] = place


def _move_edge_schema(flat: Tree, tree: Tree, schema: dict[str, Any]) -> None:
    tree.set(("edge_schema",), {}, flat.places["edge_schema",])
    for key, value in schema.items():
        has_effect = key in EdgeSchemaConfig.model_fields
        target = ("edge_schema", key) if has_effect else ("reference", "edge_schema", key)
        _move(flat, ("edge_schema", key), tree, target, value)
