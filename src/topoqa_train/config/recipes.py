"""The shipped configs and manifests, in an installed wheel and in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import topoqa_train
from topoqa_train.errors import ConfigError, shown_path
from topoqa_train.suggest import nearest_names

Kind = Literal["configs", "manifests"]
DEFAULT_MANIFEST = "run_core"
# Settings of plugins, which lie beside the configs and are no training's.
OF_PLUGINS = frozenset({"ramdisk"})
_SINGULAR = {"configs": "config", "manifests": "manifest"}
_SUFFIXES = (".yaml", ".yml")


def shipped_folder(kind: Kind) -> Path | None:
    """Where the shipped files of a kind are: inside the package, or at the top of its checkout."""
    package = Path(topoqa_train.__file__).resolve().parent
    inside = package / "_recipes" / kind
    if inside.is_dir():
        return inside
    top = package.parent.parent
    in_checkout = top / kind
    return in_checkout if (top / "pyproject.toml").is_file() and in_checkout.is_dir() else None


def shipped_names(kind: Kind) -> list[str]:
    """Names of the shipped files of a kind, without suffix, sorted; no plugin's settings."""
    folder = shipped_folder(kind)
    names = {file.stem for file in folder.glob("*.yaml")} if folder else set()
    return sorted(names - OF_PLUGINS)


def find_recipe(kind: Kind, name: str) -> Path:
    """The shipped file called `name` (with or without its suffix).

    Raises:
        ConfigError: there is none.
    """
    found = _shipped(kind, name)
    if found is None:
        raise _none_such(kind, Path(name))
    return found


def locate(kind: Kind, given: Path) -> Path:
    """The file that a user means by `given`: that file, else one's own or the shipped one so named.

    `run_core` is `manifests/run_core.yaml` of the working directory; where there is none on disk,
    both name the shipped file. Any other path has to be there.

    Raises:
        ConfigError: there is neither.
    """
    try:
        if given.exists():
            return given
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(given)[:200]!r} is not a valid path") from error
    if given.parent == Path():
        own = _named(Path(kind), given.name)
        if own is not None:
            return own
    if given.parent in (Path(), Path(kind)):
        found = _shipped(kind, given.name)
        if found is not None:
            return found
    raise _none_such(kind, given)


def default_manifest(cwd: Path) -> Path:
    """`manifests/run_core.yaml` of `cwd` if it has a folder `manifests`, else the shipped one.

    Raises:
        ConfigError: the folder is there and the file is not.
    """
    folder = cwd / "manifests"
    if not folder.is_dir():
        return find_recipe("manifests", DEFAULT_MANIFEST)
    path = folder / f"{DEFAULT_MANIFEST}.yaml"
    if not path.is_file():
        raise ConfigError(
            f"{shown_path(folder)} holds no {path.name}, the default manifest",
            hint="Name another with --manifest.",
        )
    return path


def _shipped(kind: Kind, name: str) -> Path | None:
    folder = shipped_folder(kind)
    return None if folder is None else _named(folder, name)


def _named(folder: Path, name: str) -> Path | None:
    if Path(name).name != name:
        return None
    candidates = [folder / name, *(folder / f"{name}{suffix}" for suffix in _SUFFIXES)]
    return next((path for path in candidates if path.suffix in _SUFFIXES and path.is_file()), None)


def _none_such(kind: Kind, given: Path) -> ConfigError:
    if given.is_symlink():
        return ConfigError(
            f"the {_SINGULAR[kind]} {shown_path(given)} is a link that leads to no file",
            hint="It leads round to itself, or to what was moved or deleted: ls -l shows where.",
        )
    folder = given.parent
    beside = [f.name for f in folder.glob("*.y*ml")] if folder.is_dir() else []
    near = [shown_path(folder / name) for name in nearest_names(given.name, beside)]
    guess = "".join(near or nearest_names(given.stem, shipped_names(kind)))
    return ConfigError(
        f"the {_SINGULAR[kind]} {shown_path(given)} does not exist"
        + (f"; did you mean {guess}?" if guess else ""),
        hint=f"Shipped {kind}: {', '.join(shipped_names(kind))}." if not guess else None,
    )
