"""Find configs and manifests, among them those that are shipped with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import topoqa_train
from topoqa_train.errors import ConfigError, shown_path
from topoqa_train.suggest import nearest_names

Kind = Literal["configs", "manifests"]
DEFAULT_MANIFEST = "run_core"
# Settings of plugins; they are next to the configs, but no training can be run from them.
OF_PLUGINS = frozenset({"ramdisk"})
_SUFFIXES = (".yaml", ".yml")


def shipped_folder(kind: Kind) -> Path | None:
    """Return the folder of shipped files: inside the package, or at the top of its checkout."""
    # A wheel carries the files inside the package; an editable install finds those of its checkout,
    # so that there is one copy to edit. `pyproject.toml` distinguishes it from any other folder.
    package = Path(topoqa_train.__file__).resolve().parent
    inside = package / "_recipes" / kind
    if inside.is_dir():
        return inside
    top = package.parent.parent
    in_checkout = top / kind
    return in_checkout if (top / "pyproject.toml").is_file() and in_checkout.is_dir() else None


def shipped_names(kind: Kind) -> list[str]:
    """Return the sorted names of shipped files without suffix, without settings of plugins."""
    folder = shipped_folder(kind)
    names = {file.stem for file in folder.glob("*.yaml")} if folder else set()
    return sorted(names - OF_PLUGINS)


def find_recipe(kind: Kind, name: str) -> Path:
    """Return the shipped file called `name`, which may have its suffix.

    Raises:
        ConfigError: there is none.
    """
    found = _shipped(kind, name)
    if found is None:
        raise _not_found(kind, Path(name))
    return found


def locate(kind: Kind, given: Path) -> Path:
    """Return the file that a user means by `given`.

    A path that exists is that file. `run_core` and `manifests/run_core.yaml` are the file of that
    name in the working directory, else the shipped one.

    Raises:
        ConfigError: no such file exists.
    """
    try:
        if given.exists():
            return given
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(given)[:200]!r} is not a valid path") from error
    found = _named(Path(kind), given.name) if given.parent == Path() else None
    if found is None and given.parent in (Path(), Path(kind)):
        found = _shipped(kind, given.name)
    if found is None:
        raise _not_found(kind, given)
    return found


def default_manifest(cwd: Path) -> Path:
    """Return the default manifest of `cwd` if it has a folder `manifests`, else the shipped one.

    Raises:
        ConfigError: the folder exists, but not the file.
    """
    folder = cwd / "manifests"
    if not folder.is_dir():
        return find_recipe("manifests", DEFAULT_MANIFEST)
    path = folder / f"{DEFAULT_MANIFEST}.yaml"
    if not path.is_file():
        raise ConfigError(
            f"the default manifest {shown_path(path)} does not exist",
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


def _not_found(kind: Kind, given: Path) -> ConfigError:
    what = f"the {kind.removesuffix('s')} {shown_path(given)}"
    if given.is_symlink():
        return ConfigError(
            f"{what} is a dangling link", hint="Its target was moved or deleted: see ls -l."
        )
    folder = given.parent
    neighbours = [file.name for file in folder.glob("*.y*ml")] if folder.is_dir() else []
    near = [shown_path(folder / name) for name in nearest_names(given.name, neighbours)]
    guess = "".join(near or nearest_names(given.stem, shipped_names(kind)))
    if guess:
        return ConfigError(f"{what} does not exist; did you mean {guess}?")
    hint = "\n  ".join([f"Shipped {kind}:", *shipped_names(kind)])
    return ConfigError(f"{what} does not exist", hint=hint)
