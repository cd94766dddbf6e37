"""Which files are to be staged, and how much memory they take."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from topoqa_train.errors import DataError

SUFFIX = ".pt"
# Documents of a graph builder; searched next to the graphs and in the folder above.
DOCUMENTS = ("graph_metadata.json", "graph_builder_summary.json")
_FALLBACK_NAME = "graphs"
# A file in memory takes whole pages, and a little for its name.
PAGE = 4096
_ENTRY = 1024


@dataclass(frozen=True)
class StagedFile:
    """One file of the source and where it goes, relative to the staging; size in bytes."""

    path: Path
    target: Path
    size: int


@dataclass(frozen=True)
class GraphFiles:
    """All that is staged of one folder of graphs."""

    source: Path
    files: tuple[StagedFile, ...]

    @property
    def folder(self) -> Path:
        """The folder of graphs below the staging."""
        return Path(self.source.name or _FALLBACK_NAME)

    @property
    def graphs(self) -> tuple[StagedFile, ...]:
        """The graphs alone."""
        return tuple(file for file in self.files if file.path.suffix == SUFFIX)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def memory(self) -> int:
        """Bytes of memory that they take."""
        return sum(-(-file.size // PAGE) * PAGE + _ENTRY for file in self.files)

    @property
    def entries(self) -> int:
        """Files and folders that there will be."""
        folders = {parent for file in self.files for parent in file.target.parents}
        return len(self.files) + len(folders)


def find_graphs(source: Path) -> GraphFiles:
    """Find the graphs below `source` as training does, and the builder's documents.

    Raises:
        DataError: there is no such folder, it can't be read, or no graph is in it.
    """
    try:
        files = [_file(source / name, source.parent) for name in sorted(_graphs(source))]
        if not files:
            raise DataError(f"no graph (*{SUFFIX}) in the folder {source}")
        beside = (folder / name for folder in (source, source.parent) for name in DOCUMENTS)
        files += [_file(path, source.parent) for path in beside if path.is_file()]
    except OSError as error:
        raise DataError(f"the graphs in {source} can't be read: {error.strerror}") from error
    return GraphFiles(source, tuple(files))


def _graphs(source: Path) -> Iterator[str]:
    """Paths below `source`; links to folders and names with a dot in front are passed over."""
    for folder, below, names in os.walk(source, onerror=_raise):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            if name.endswith(SUFFIX) and not name.startswith(".") and path.is_file():
                yield str(path.relative_to(source))


def _raise(error: OSError) -> None:
    raise error


def _file(path: Path, base: Path) -> StagedFile:
    return StagedFile(path, path.relative_to(base), path.stat().st_size)


def one_folder(folders: Sequence[str]) -> Path:
    """Return the one folder that all jobs read.

    Raises:
        DataError: they read several, and one can be staged.
    """
    different = list(dict.fromkeys(folders))
    if len(different) > 1:
        raise DataError(
            f"the jobs read {len(different)} folders of graphs, and one can be staged",
            details=different,
            hint="Name the one that holds them all: --graph-dir DIR, or graph_source in "
            "configs/ramdisk.yaml.",
        )
    return Path(different[0])
