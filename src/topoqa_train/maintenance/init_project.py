"""Create a project folder: configs and manifests that the pipeline runs as they are."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from topoqa_train import atomic
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.schema import (
    CONFIG_FILE,
    MANIFEST_FILE,
    as_text,
    config_schema,
    manifest_schema,
)
from topoqa_train.errors import DataError, RequestError, shown_path
from topoqa_train.labels.coverage import coverage_of, shared_targets
from topoqa_train.labels.graph_index import BUILT, GraphIndex, graph_folder
from topoqa_train.labels.label_file import Label, LabelTable, read_table, require_file
from topoqa_train.labels.split import Wish, split_by_target
from topoqa_train.maintenance import project_templates as templates
from topoqa_train.plugins import discovery

DEMO = "demo"
_BUILT_LABELS = "labels.csv"
_RELATED = (
    "split by whole targets. Names do not show which complexes are related: relatives in two files "
    "make metrics look better than they are. Choose with --val-targets and --test-targets."
)
_LABEL_OPTIONS = (
    "One CSV, split by target: --labels labels.csv. "
    "Split already: --train-labels train.csv --val-labels val.csv."
)


@dataclass(frozen=True)
class InitRequest:
    """A data set, or graphs with split labels, or graphs with labels to split."""

    folder: Path
    dataset: str | None = None
    graphs: Path | None = None
    labels: Path | None = None
    train_labels: Path | None = None
    val_labels: Path | None = None
    test_labels: Path | None = None
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    seed: int = 222

    @property
    def split_labels(self) -> dict[str, Path]:
        """Split name to its label file, of those that are given."""
        files = {"train": self.train_labels, "val": self.val_labels, "test": self.test_labels}
        return {split: path.expanduser() for split, path in files.items() if path is not None}


@dataclass(frozen=True)
class Project:
    """The created files, each by its path below the folder with a short description.

    `data` describes what it trains on, `own` whether that is not the data set of a plugin.
    """

    folder: Path
    files: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    data: str
    own: bool


@dataclass
class _Data:
    """`paths` of the config, number of training graphs if known, and label files to write."""

    paths: dict[str, Path | str]
    train: int | None
    title: str
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def create(request: InitRequest) -> Project:
    """Check the data, then write configs, manifests and their schemas; all of them or none.

    If the request names no data, use what `graphs build --out` left in the folder, else the demo.

    Raises:
        RequestError: options that exclude each other, or a file that would be overwritten.
        DataError: labels or graphs can't be used, or labels have no graph.
    """
    folder = request.folder.expanduser()
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"{shown_path(folder)} is a file; name a folder")
    data = _data(request, folder)
    files = {**_config_files(data, folder), **data.files}
    _check_nothing_is_overwritten(folder, files)
    with _all_or_nothing(folder) as write:
        for name, (text, _) in files.items():
            write(name, text)
        # Check what was written as the pipeline will; an error removes all of it again.
        for manifest in (templates.CORE, templates.EXTENDED):
            load_manifest(folder / manifest)
    described = tuple((name, words) for name, (_, words) in files.items() if words)
    return Project(folder, described, tuple(data.notes), data.title, "graph" in data.paths)


def _data(request: InitRequest, folder: Path) -> _Data:
    split = request.split_labels
    if request.dataset is not None:
        if request.graphs or request.labels or split:
            raise RequestError("--dataset brings its own graphs and labels; give no others")
        return _of_dataset(request.dataset)
    if request.graphs is None:
        return _built_or_demo(request, folder)
    graphs = graph_folder(request.graphs.expanduser())
    if request.labels is not None and split:
        raise RequestError("give --labels, or labels that are split already; not both")
    if request.labels is not None:
        return _to_split(request, folder, graphs, request.labels.expanduser())
    if not split.keys() >= {"train", "val"}:
        near = graphs.parent / _BUILT_LABELS
        found = [f"there is {shown_path(near)}"] if near.is_file() else []
        raise RequestError("which labels belong to the graphs?", details=found, hint=_LABEL_OPTIONS)
    return _split_already(split, graphs)


def _built_or_demo(request: InitRequest, folder: Path) -> _Data:
    """Return what was built in the folder, else the demo."""
    built, labels = folder / BUILT, request.labels or folder / _BUILT_LABELS
    if built.is_dir() and labels.is_file() and not request.split_labels:
        data = _to_split(request, folder, built, labels)
        data.notes.insert(0, f"found {shown_path(built)} and {shown_path(labels)}")
        return data
    if request.labels is not None or request.split_labels:
        raise RequestError("labels need their graphs: --graphs DIR")
    if built.is_dir():
        raise RequestError(
            f"there are graphs in {shown_path(built)}, but no labels", hint=_LABEL_OPTIONS
        )
    if any(wish.targets for wish in request.wishes.values()):
        raise RequestError("targets are named, but no labels", hint=_LABEL_OPTIONS)
    return _of_dataset(DEMO)


def _of_dataset(name: str) -> _Data:
    discovery.find(discovery.DATASETS, "data set", name)
    return _Data({"dataset": name}, None, f"the data set {name}")


def _split_already(files: Mapping[str, Path], graphs: Path) -> _Data:
    for path in files.values():
        require_file(path)
    tables = {split: read_table(path, split=split) for split, path in files.items()}
    index = GraphIndex.scan(graphs)
    for table in tables.values():
        _check_coverage(table, index, graphs)
    rows = {split: table.labels.rows for split, table in tables.items()}
    both = shared_targets(table.labels for table in tables.values())
    names = ", ".join(both[:5]) + (", ..." if len(both) > 5 else "")
    note = f"{len(both)} targets are in more than one label file ({names}): their metrics mislead"
    return _Data(
        {"graph": graphs, **{f"{split}_labels": path for split, path in files.items()}},
        len(rows["train"]),
        _title(graphs, rows),
        notes=[note] if both else [],
    )


def _to_split(request: InitRequest, folder: Path, graphs: Path, labels: Path) -> _Data:
    require_file(labels)
    table = read_table(labels, split="all")
    _check_coverage(table, GraphIndex.scan(graphs), graphs)
    splits = split_by_target(table.labels.rows, request.wishes, seed=request.seed)
    files = {split: f"labels/{split}.csv" for split in splits}
    return _Data(
        {"graph": graphs, **{f"{split}_labels": folder / name for split, name in files.items()}},
        len(splits["train"]),
        _title(graphs, splits),
        {name: (table.text(splits[split]), _words(split, splits)) for split, name in files.items()},
        list(_notes_on_split(table, request.wishes)),
    )


def _words(split: str, splits: Mapping[str, Sequence[Label]]) -> str:
    names = list(dict.fromkeys(row.target for row in splits[split]))
    listed = f": {' '.join(names)}" if split != "train" and len(names) <= 8 else ""
    plural = "" if len(names) == 1 else "s"
    return f"{len(splits[split])} decoys of {len(names)} target{plural}{listed}"


def _notes_on_split(table: LabelTable, wishes: Mapping[str, Wish]) -> Iterator[str]:
    if not any(wish.targets for wish in wishes.values()):
        yield _RELATED
    rows = table.labels.rows
    if len({row.target for row in rows}) == len(rows):
        yield (
            "every decoy is a target of its own: a target is the part of MODEL before the first _ "
            "or /, or the column TARGET"
        )
    if table.labels.left_out:
        yield f"{table.labels.left_out} rows without a dockq were left out"


def _check_coverage(table: LabelTable, index: GraphIndex, graphs: Path) -> None:
    found, labels = coverage_of(table.labels, index), table.labels.path
    if not found.missing:
        return
    more = f" and {len(found.missing) - 10} more" if len(found.missing) > 10 else ""
    source, out = shown_path(labels), shown_path(labels.with_name(f"valid_{labels.name}"))
    command = [
        "topoqa-train",
        "data",
        "filter",
        source,
        "--graphs",
        shown_path(graphs),
        "--out",
        out,
    ]
    raise DataError(
        f"{len(found.missing)} of {found.total} labels in {source} have no graph",
        details=[f"{'  '.join(found.missing[:10])}{more}"],
        hint=f"Build them, or run init again without these labels:\n{shlex.join(command)}",
    )


def _title(graphs: Path, splits: Mapping[str, Sequence[Label]]) -> str:
    counts = ", ".join(f"{len(rows)} {split}" for split, rows in splits.items())
    return f"the graphs in {shown_path(graphs)} ({counts})"


def _config_files(data: _Data, folder: Path) -> dict[str, tuple[str, str]]:
    """Return relative path to text and description; schemas need no description."""
    base = folder / "configs"
    paths = {key: _path_text(value, base) for key, value in data.paths.items()}
    core = templates.manifest_file(extended=False)
    extended = templates.manifest_file(extended=True)
    return {
        templates.CONFIG: (
            templates.config_file(paths, data.train),
            "the sweep: data, network, steps",
        ),
        templates.FINE_TUNE: (
            templates.fine_tune_file(paths, data.train),
            "both fine-tune phases",
        ),
        f"configs/{CONFIG_FILE}": (as_text(config_schema()), ""),
        templates.CORE: (core, "three recipes, then fine-tune"),
        templates.EXTENDED: (extended, "the same with three seeds"),
        f"manifests/{MANIFEST_FILE}": (as_text(manifest_schema()), ""),
    }


def _path_text(path: Path | str, base: Path) -> str:
    """Return the path for a file in `base`: relative if it is near, else absolute.

    Near means in the folder next to the project: such files are usually moved together with it.
    """
    if isinstance(path, str):
        return path
    # Only the parent is resolved: a link at the end is written as it is named.
    target, start = path.absolute().parent.resolve() / path.name, base.resolve()
    near = target.is_relative_to(start.parents[1])
    return os.path.relpath(target, start) if near else str(target)


def _check_nothing_is_overwritten(folder: Path, files: Mapping[str, object]) -> None:
    existing = [name for name in files if os.path.lexists(folder / name)]
    if existing:
        raise RequestError(
            f"{shown_path(folder)} holds files that would be overwritten",
            details=existing,
            hint="Nothing was written. Choose another folder, or move them away.",
        )


@contextmanager
def _all_or_nothing(folder: Path) -> Iterator[Callable[[str, str], None]]:
    """Yield a function that writes a file; if the block fails, remove all that it created."""
    created: list[Path] = []

    def make_folder(path: Path) -> None:
        if not path.is_dir():
            make_folder(path.parent)
            path.mkdir()
            created.append(path)

    def write(name: str, text: str) -> None:
        path = folder / name
        make_folder(path.parent)
        created.append(path)
        atomic.write_text(path, text)

    try:
        yield write
    except BaseException:
        for path in reversed(created):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise
