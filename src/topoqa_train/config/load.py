"""Read a config file with its overrides, or a plugin's settings file, into a checked model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from topoqa_train import log
from topoqa_train.config import legacy
from topoqa_train.config import overrides as overriding
from topoqa_train.config.models import DATA_PATHS, SECTIONS, TrainingConfig
from topoqa_train.config.overrides import Override
from topoqa_train.config.recipes import locate
from topoqa_train.config.validation import validate
from topoqa_train.config.writer import config_yaml
from topoqa_train.config.yaml.errors import invalid
from topoqa_train.config.yaml.reader import parse_bytes, read_bytes
from topoqa_train.config.yaml.tree import Tree
from topoqa_train.errors import Problem, shown_path

_log = log.get(__name__)
KIND = "config"
SETTINGS_KIND = "settings file"
Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True)
class LoadedConfig:
    """A checked config with its source and overrides. Data paths in `config` are absolute."""

    source: Path
    source_bytes: bytes = field(repr=False)
    config: TrainingConfig
    overrides: tuple[Override, ...] = ()

    def to_yaml(self) -> str:
        """Return the config in effect as YAML that loads to an equal config from any folder."""
        return config_yaml(self.config)

    def source_tree(self) -> Tree:
        """Return the values of the source in sections, without overrides."""
        return _in_sections(self.source_bytes, self.source)[0]

    def before_overrides(self, key: str) -> Any:  # noqa: ANN401
        """Return the source's value of a dotted `key`, else the default, else None."""
        location = tuple(key.split("."))
        written = self._written.get(location)
        if written is not None or len(location) != 2 or location[0] not in SECTIONS:
            return written
        field_of_model = SECTIONS[location[0]].model_fields.get(location[1])
        if field_of_model is None or field_of_model.is_required():
            return None
        return field_of_model.get_default(call_default_factory=True)

    def missing_from_source(self, keys: Iterable[str]) -> list[str]:
        """Return those of the dotted `keys` that have no value in the source."""
        return [key for key in keys if self._written.get(tuple(key.split("."))) is None]

    def applied_overrides(self) -> dict[str, Any]:
        """Return the last value of each overridden key as plain data; data paths are absolute."""
        return {item.key: _as_applied(item) for item in self.overrides}

    @cached_property
    def _written(self) -> Tree:
        return self.source_tree()


def _as_applied(override: Override) -> Any:  # noqa: ANN401
    section, _, name = override.key.partition(".")
    if section == "paths" and name in DATA_PATHS and isinstance(override.value, str):
        return str(absolute(override.value, override.place.base))
    return override.value


def load_config(source: Path, overrides: Sequence[Override] = ()) -> LoadedConfig:
    """Read and check a config of either layout; later overrides win.

    Relative paths start from the folder of the file that holds them, in an override from its
    `base`; `~` is the home folder. `paths.save_dir` stays relative. Data files are not looked for.
    A name without a file may be that of a shipped recipe.

    Raises:
        ConfigError: with every error of the file and the overrides.
    """
    path = locate("configs", source)
    return config_from_bytes(read_bytes(path, KIND), path, overrides)


def config_from_bytes(
    content: bytes, path: Path, overrides: Sequence[Override] = ()
) -> LoadedConfig:
    """Do as `load_config` with content that was read from `path`."""
    tree, problems = _in_sections(content, path)
    # An empty section in YAML is null, and has its defaults.
    for name in SECTIONS:
        if tree.data.get(name) is None:
            tree.data[name] = {}
    for override in overrides:
        problems += overriding.apply(tree, override)
    problems += _make_paths_absolute(tree)
    # Validated even after problems, so that all errors are reported at once.
    config, invalid_values = validate(TrainingConfig, tree)
    if config is None or problems:
        raise invalid(path, KIND, [*problems, *invalid_values])
    _warn_of_keys_without_effect(config, path)
    return LoadedConfig(path, content, config, tuple(overrides))


def load_settings(path: Path, model: type[Settings]) -> Settings:
    """Return what a plugin's settings file holds, as `model`.

    `model` should be strict, with `extra="forbid"`, for every mistake to be found.

    Raises:
        ConfigError: with the line and key of every error.
    """
    tree = Tree.of(parse_bytes(read_bytes(path, SETTINGS_KIND), path, SETTINGS_KIND), path)
    settings, problems = validate(model, tree)
    if settings is None:
        raise invalid(path, SETTINGS_KIND, problems)
    return settings


def _in_sections(content: bytes, path: Path) -> tuple[Tree, list[Problem]]:
    tree = Tree.of(parse_bytes(content, path, KIND), path)
    if legacy.is_flat(tree):
        return legacy.to_sections(tree)
    problems = legacy.misplaced_keys(tree)
    # Reported once; validation would report them again as unknown sections.
    for key in legacy.FLAT_KEYS:
        tree.data.pop(key, None)
    return tree, problems


def _make_paths_absolute(tree: Tree) -> list[Problem]:
    # Done before validation, where the place of each value, and so its base, is known. A run keeps
    # a copy of its config, which has to name the same data from there. `save_dir` is where the
    # user of the command wants the runs, and stays relative to that user's working directory.
    problems = []
    for name in (*DATA_PATHS, "save_dir"):
        location = ("paths", name)
        text = tree.get(location)
        if not isinstance(text, str):
            continue
        try:
            base = tree.place(location)[0].base
            path = _from_home(text) if name == "save_dir" else absolute(text, base)
            tree.data["paths"][name] = str(path)
        except (OSError, RuntimeError, ValueError) as error:
            problems.append(tree.problem(location, f"is not a usable path: {error}"))
    return problems


def absolute(text: str, base: Path) -> Path:
    """Return a written path, relative to `base`, with `~`, links and `..` resolved.

    Raises:
        OSError, RuntimeError, ValueError: no such path is possible.
    """
    return (base / _from_home(text)).resolve()


def _from_home(text: str) -> Path:
    if not text.strip():
        raise ValueError("it is empty")
    return Path(text).expanduser()


def _warn_of_keys_without_effect(config: TrainingConfig, path: Path) -> None:
    names = [name for name, value in config.reference if value]
    if names:
        _log.warning("%s: recorded, but without effect: %s", shown_path(path), ", ".join(names))
