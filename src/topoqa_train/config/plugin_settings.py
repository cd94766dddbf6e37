"""A plugin's own YAML file, read and checked as a config is."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from topoqa_train.config.validation import validate
from topoqa_train.config.yaml.errors import invalid
from topoqa_train.config.yaml.reader import parse_bytes, read_bytes
from topoqa_train.config.yaml.tree import Tree

KIND = "settings file"
Settings = TypeVar("Settings", bound=BaseModel)


def load_settings(path: Path, model: type[Settings]) -> Settings:
    """What `path` holds, as `model` (strict, with `extra="forbid"`, if all slips are to be told).

    Raises:
        ConfigError: with the line and key of every fault.
    """
    tree = Tree.of(parse_bytes(read_bytes(path, KIND), path, KIND), path)
    settings, problems = validate(model, tree)
    if settings is None:
        raise invalid(path, KIND, problems)
    return settings
