"""A config file and overrides to a checked `TrainingConfig`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class LoadedConfig:
    """A checked config, and what it was made of. Data paths in `config` are absolute."""

    source: Path
    source_bytes: bytes = field(repr=False)
    config: TrainingConfig
    overrides: tuple[Override, ...] = ()

    def to_yaml(self) -> str:
        """Return the config in effect as YAML that loads to an equal config from any folder."""
        return config_yaml(self.config)

    def before_overrides(self, key: str) -> Any:  # noqa: ANN401
        """What the source says of a dotted `key`, else the default; None where there is neither."""
        location = tuple(key.split("."))
        written = self._source_tree.get(location)
        if written is not None or len(location) != 2 or location[0] not in SECTIONS:
            return written
        field_of_model = SECTIONS[location[0]].model_fields.get(location[1])
        if field_of_model is None or field_of_model.is_required():
            return None
        return field_of_model.get_default(call_default_factory=True)

    def unsaid(self, keys: Iterable[str]) -> list[str]:
        """Those of the dotted `keys` that the source does not give."""
        return [key for key in keys if self._source_tree.get(tuple(key.split("."))) is None]

    @cached_property
    def _source_tree(self) -> Tree:
        document = parse_bytes(self.source_bytes, self.source, KIND)
        return _in_sections(Tree.of(document, self.source))[0]

    def overrides_document(self) -> dict[str, Any]:
        """What was overridden: the last value of each key, and who asked for it; plain types."""
        return {
            "overrides": {item.key: _as_applied(item) for item in self.overrides},
            "origins": {item.key: item.origin for item in self.overrides},
        }


def _as_applied(override: Override) -> Any:  # noqa: ANN401
    section, _, name = override.key.partition(".")
    if section == "paths" and name in DATA_PATHS and isinstance(override.value, str):
        return str(absolute(override.value, override.base))
    return override.value


def load_config(source: Path, overrides: Sequence[Override] = ()) -> LoadedConfig:
    """Read and check a config of either layout; later overrides win.

    Relative paths start from the folder of the file they stand in, in an override from its `base`;
    `~` is the home folder. `paths.save_dir` stays relative. Whether data are there is not looked
    at. A name that is no file may be a shipped recipe's.

    Raises:
        ConfigError: with every fault of the file and the overrides.
    """
    path = locate("configs", source)
    return config_from_bytes(read_bytes(path, KIND), path, overrides)


def config_from_bytes(
    content: bytes, path: Path, overrides: Sequence[Override] = ()
) -> LoadedConfig:
    """`load_config` on content already read from `path`."""
    tree, problems = _in_sections(Tree.of(parse_bytes(content, path, KIND), path))
    for name in SECTIONS:
        if tree.data.get(name) is None:
            tree.data[name] = {}
    for override in overrides:
        problems += overriding.apply(tree, override)
    problems += _make_paths_absolute(tree)
    config, faults = validate(TrainingConfig, tree)
    if config is None or problems:
        raise invalid(path, KIND, [*problems, *faults])
    _tell_of_reference(config, path)
    return LoadedConfig(path, content, config, tuple(overrides))


def _in_sections(tree: Tree) -> tuple[Tree, list[Problem]]:
    if legacy.is_flat(tree):
        return legacy.structured(tree)
    problems = legacy.mixed(tree)
    for key in legacy.FLAT_KEYS:
        tree.data.pop(key, None)
    return tree, problems


def _make_paths_absolute(tree: Tree) -> list[Problem]:
    problems = []
    for name in (*DATA_PATHS, "save_dir"):
        location = ("paths", name)
        text = tree.get(location)
        if not isinstance(text, str):
            continue
        try:
            base = tree.place(location)[0].base
            tree.get(("paths",))[name] = str(
                from_home(text) if name == "save_dir" else absolute(text, base)
            )
        except (OSError, RuntimeError, ValueError) as error:
            problems.append(tree.problem(location, f"is not a usable path: {error}"))
    return problems


def absolute(text: str, base: Path) -> Path:
    """A path as it was written, taken from `base`; links and `..` resolved.

    Raises:
        OSError, RuntimeError, ValueError: there can be no such path.
    """
    return (base / from_home(text)).resolve()


def from_home(text: str) -> Path:
    """A path as it was written, with `~` resolved.

    Raises:
        RuntimeError, ValueError: there can be no such path.
    """
    if not text.strip():
        raise ValueError("it is empty")
    return Path(text).expanduser()


def _tell_of_reference(config: TrainingConfig, path: Path) -> None:
    said: Mapping[str, Any] = config.reference.model_dump()
    names = [name for name, value in said.items() if value]
    if names:
        _log.warning(
            "%s: %s is kept for the record and has no effect", shown_path(path), ", ".join(names)
        )
