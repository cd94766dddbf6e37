"""Shell completions for the values of options; without any, the shell offers files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from topoqa_train.config.recipes import Kind
    from topoqa_train.runs.store import RunStore

_YAML = (".yaml", ".yml")


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of runs in the folder given on the line so far, and `latest`."""
    from topoqa_train.runs.paths import LATEST

    try:
        names = [run.run_id for run in _store(context).all()]
    except OSError:
        return []
    return [name for name in ([LATEST, *names] if names else []) if name.startswith(incomplete)]


def metrics(context: typer.Context, incomplete: str) -> list[str]:
    """Return the metrics of the newest run, or those that every run has."""
    from topoqa_train.errors import RequestError
    from topoqa_train.runs import metrics_file
    from topoqa_train.runs.paths import LATEST

    try:
        names = metrics_file.columns(_store(context).find(LATEST).metrics)
    except (RequestError, OSError):
        names = []
    found = names or metrics_file.LEADING_COLUMNS
    return [name for name in found if name.startswith(incomplete)]


def configs(incomplete: str) -> list[str]:
    """Return the names of shipped configs, and YAML files."""
    return _recipes("configs", incomplete)


def manifests(incomplete: str) -> list[str]:
    """Return the names of shipped manifests, and YAML files."""
    return _recipes("manifests", incomplete)


def keys(incomplete: str) -> list[str]:
    """Return the keys of a config, each with `=`."""
    from topoqa_train.config.models import TrainingConfig

    sections = TrainingConfig.model_fields.items()
    inner = ((name, getattr(field.annotation, "model_fields", {})) for name, field in sections)
    every = (f"{section}.{key}=" for section, fields in inner for key in fields)
    return [name for name in every if name.startswith(incomplete)]


def _store(context: typer.Context) -> RunStore:
    from topoqa_train.runs.store import RunStore, root_of_runs

    given = context.params.get("run_root") or context.params.get("output_root")
    return RunStore(root_of_runs(Path(given) if given else None))


def _recipes(kind: Kind, incomplete: str) -> list[str]:
    from topoqa_train.config.recipes import shipped_names

    shipped = [name for name in shipped_names(kind) if name.startswith(incomplete)]
    return [*shipped, *sorted(_yaml_files(incomplete))]


def _yaml_files(incomplete: str) -> Iterator[str]:
    """Yield YAML files that begin with `incomplete`, also those one folder further down."""
    above, slash, start = incomplete.rpartition("/")
    for entry in _listed(above + slash or "."):
        if not entry.name.startswith(start) or entry.name.startswith("."):
            continue
        path = f"{above}{slash}{entry.name}"
        if _is_yaml(entry):
            yield path
        yield from (f"{path}/{inner.name}" for inner in _listed(path) if _is_yaml(inner))


def _is_yaml(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(_YAML) and Path(entry).is_file()


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
