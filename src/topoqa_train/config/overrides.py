"""Single values over a config, from the command line, a manifest or the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from topoqa_train.config.legacy import FLAT_KEYS
from topoqa_train.config.models import SECTIONS
from topoqa_train.config.yaml.reader import Location, parse_text
from topoqa_train.config.yaml.scalars import is_printable, shorten
from topoqa_train.config.yaml.tree import Place, Tree
from topoqa_train.errors import ConfigError, Problem

COMMAND_LINE = "command line"
_KEY = re.compile(r"[^\s=.\[\]]+(?:\.[^\s=.\[\]]+)*")


@dataclass(frozen=True)
class Override:
    """One value to set.

    `origin` is where it was given: 'command line', the name of an environment variable,
    'manifests/x.yaml:12'. Messages name its `place`.
    """

    key: str
    value: Any
    place: Place
    origin: str = COMMAND_LINE

    @classmethod
    def given(cls, key: str, value: Any, base: Path, origin: str = COMMAND_LINE) -> Self:  # noqa: ANN401
        """Build an override of a command or variable; relative paths start from `base`."""
        return cls(key, value, Place(f"{origin}: {key}", base), origin)


def parse_override(text: str, *, base: Path, origin: str = COMMAND_LINE) -> Override:
    """Read `KEY=VALUE`: a dotted key and a YAML value; no value is null.

    Raises:
        ConfigError: it is not of that form, or the value is not YAML.
    """
    label = f"-o {text}" if origin == COMMAND_LINE else f"{origin} ({text})"
    key, value = _split_assignment(text, label, "-o trainer.num_epochs=10")
    if not _KEY.fullmatch(key):
        raise _invalid(label, f"'{shorten(key)}' is not a dotted key such as trainer.num_epochs")
    return Override(key, value, Place(label, base), origin)


def parse_trainer_args(
    texts: list[str] | tuple[str, ...], label: str = "--trainer-arg"
) -> dict[str, Any]:
    """Read `KEY=VALUE` arguments of the trainer, values as YAML; a later one wins.

    Raises:
        ConfigError: one is not of that form, or its key is not a Python name.
    """
    arguments: dict[str, Any] = {}
    for text in texts:
        name = f"{label} {text}"
        key, value = _split_assignment(text, name, f"{label} gradient_clip_val=0.5")
        if not key.isidentifier():
            raise _invalid(name, f"'{shorten(key)}' is not the name of an argument")
        arguments[key] = value
    return arguments


def _split_assignment(text: str, label: str, example: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise _invalid(label, f"is not KEY=VALUE, as in {example}")
    if not is_printable(text):
        raise _invalid(label.encode("ascii", "replace").decode(), "holds a control character")
    document, problems = parse_text(value)
    if problems:
        raise _invalid(label, f"{problems[0].message}; put quotes round special characters")
    return key.strip(), document.data if document else None


def _invalid(label: str, message: str) -> ConfigError:
    problem = Problem(message, label)
    return ConfigError(str(problem), [problem])


def apply(tree: Tree, override: Override) -> list[Problem]:
    """Set the override's value in a tree of sections; validation finds a wrong key or value.

    A mapping is merged into the existing one, key by key; an empty one empties tags and options.
    """
    if override.key in FLAT_KEYS:
        meant = ".".join(FLAT_KEYS[override.key])
        return [override.place.problem(f"unknown key; did you mean '{meant}'?")]
    _merge(tree, tuple(override.key.split(".")), override.value, override.place)
    return []


def _merge(tree: Tree, location: Location, value: Any, place: Place) -> None:  # noqa: ANN401
    # Merged, so that setting one key of a section leaves the section's other keys to the file.
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            _merge(tree, (*location, key), item, place)
    # An empty mapping empties tags and options, but it does not reset a section (`-o trainer={}`).
    elif value != {} or location[0] not in SECTIONS or len(location) > 1:
        tree.set(location, value, place)
