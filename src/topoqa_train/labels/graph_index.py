"""Index of graph files by decoy; opens none of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from topoqa_train import log
from topoqa_train.errors import DataError

SUFFIX = ".pt"
# The folder that `topoqa-train graphs build --out DIR` creates in DIR.
BUILT = "graph_data"
BUILD_HINT = "Build graphs:   topoqa-train graphs build --structures ... --out ..."
_logger = log.get(__name__)


@dataclass(frozen=True)
class GraphIndex:
    """Index of the graph files under `root` by the name of their decoy.

    Names in `_by_name` are flat: `/` is written as `__`.
    """

    root: Path
    _whole: dict[str, Path]
    _by_name: dict[str, tuple[Path, ...]]

    @classmethod
    def scan(cls, folder: Path) -> GraphIndex:
        """Walk `folder` once.

        Links to files are followed, but not links to folders, which could form loops. Names that
        begin with a dot are skipped.

        Raises:
            DataError: the folder does not exist, is not a readable folder, or has no graph.
        """
        whole: dict[str, Path] = {}
        by_name: dict[str, list[Path]] = {}
        for relative in sorted(_graph_files(folder)):
            path = folder / relative
            stem = relative.removesuffix(SUFFIX)
            whole[stem] = path
            # Labels may name a decoy without its folder, with a part of it, or with `__` for `/`.
            # Indexing every ending makes each look-up one step.
            for name in _endings(stem):
                by_name.setdefault(_flat(name), []).append(path)
        if not whole:
            raise DataError(f"no graph (*{SUFFIX}) in the folder {folder}", hint=BUILD_HINT)
        return cls(folder, whole, {name: tuple(paths) for name, paths in by_name.items()})

    def __len__(self) -> int:
        return len(self._whole)

    def paths(self) -> tuple[Path, ...]:
        """Return all graph files, sorted by their path below the folder."""
        return tuple(self._whole.values())

    def find(self, model: str) -> Path | None:
        """Return the graph of `model`, or None.

        `<model>.pt` in the folder itself comes before those in sub-folders; `a__b` and `a/b` are
        the same name.

        Raises:
            DataError: several files match equally well.
        """
        if model in self._whole:
            return self._whole[model]
        found = self._by_name.get(_flat(model), ())
        if len(found) < 2:
            return found[0] if found else None
        return self._best_match(model, found)

    def _best_match(self, model: str, found: tuple[Path, ...]) -> Path:
        # `a__b` is the full name of `a/b.pt`, but only the end of `x/a/b.pt`.
        full = [path for path in found if _flat(self._stem(path)) == _flat(model)]
        candidates = full or list(found)
        # Links to one graph are no conflict. Different files are, even with equal content: which
        # one was meant would change if one of them is rebuilt.
        if all(path.samefile(candidates[0]) for path in candidates):
            return candidates[0]
        raise DataError(
            f"{len(candidates)} graphs match {model}",
            details=[str(path) for path in candidates[:5]],
            hint="In the labels, write its path below the folder of graphs, as in sub/MODEL, or "
            "remove all but one.",
        )

    def _stem(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix().removesuffix(SUFFIX)


def graph_folder(given: Path) -> Path:
    """Return the folder of graphs: `given`, or the `graph_data` that was built in it."""
    built = given / BUILT
    return built if built.is_dir() else given


def _flat(name: str) -> str:
    return name.replace("/", "__")


def _endings(stem: str) -> Iterator[str]:
    """Yield the endings of a path: `a/b/c`, `b/c` and `c` for `a/b/c`."""
    parts = stem.split("/")
    for first in range(len(parts)):
        yield "/".join(parts[first:])


def _graph_files(folder: Path) -> Iterator[str]:
    """Yield the paths of all graph files below `folder`, with `/` as separator."""
    pending = [""]
    while pending:
        below = pending.pop()
        with _opened(folder, below) as entries:
            for entry in entries:
                name = f"{below}{entry.name}"
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{name}/")
                elif entry.name.endswith(SUFFIX) and Path(entry.path).is_file():
                    yield name
                elif entry.is_symlink() and Path(entry.path).is_dir():
                    _logger.warning("%s is a link to a folder; skipped it", entry.path)


def _opened(folder: Path, below: str) -> os._ScandirIterator[str]:
    try:
        return os.scandir(folder / below)
    except FileNotFoundError:
        raise DataError(
            f"there is no folder of graphs {folder}",
            hint=f"Set paths.graph, or build them.\n{BUILD_HINT}",
        ) from None
    except NotADirectoryError:
        raise DataError(
            f"{folder} is a file, not a folder of graphs", hint="Set paths.graph to a folder."
        ) from None
    except OSError as error:
        raise DataError(f"the folder {folder / below} can't be read: {error.strerror}") from error
