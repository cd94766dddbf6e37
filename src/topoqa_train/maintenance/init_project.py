"""A folder of one's own: configs and manifests that the pipeline runs as they are."""

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
from topoqa_train.config.yaml.errors import shown
from topoqa_train.errors import DataError, RequestError
from topoqa_train.labels.coverage import SplitCoverage, cover
from topoqa_train.labels.graph_index import BUILT, GraphIndex, graph_folder
from topoqa_train.labels.label_file import Label, require_file
from topoqa_train.labels.label_table import LabelTable, read_table
from topoqa_train.labels.split import Wish, split_by_target
from topoqa_train.labels.survey import shared_targets
from topoqa_train.maintenance import project_templates
from topoqa_train.plugins import discovery

DEMO = "demo"
_BUILT_LABELS = "labels.csv"
_RELATIVES = (
    "split by whole targets. Which complexes are related, their names don't tell: relatives in two "
    "files flatter the figures. Choose with --val-targets and --test-targets."
)
_WAYS = (
    "One CSV, split by target: --labels labels.csv. "
    "Split already: --train-labels train.csv --val-labels val.csv."
)


@dataclass(frozen=True)
class InitRequest:
    """What was asked for: a data set, graphs with split labels, graphs with labels to split."""

    folder: Path
    dataset: str | None = None
    graphs: Path | None = None
    labels: Path | None = None
    train_labels: Path | None = None
    val_labels: Path | None = None
    test_labels: Path | None = None
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    seed: int = 222


@dataclass(frozen=True)
class OwnFolder:
    """What was made: each file by its path below the folder with a few words on it.

    `data` says what it trains on, `own` whether that is no data set of a plugin.
    """

    folder: Path
    files: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    data: str
    own: bool


@dataclass
class _Data:
    """Where the data are, and what has to be written for it."""

    paths: dict[str, Path | str]
    train: int | None
    title: str
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def make_folder(request: InitRequest) -> OwnFolder:
    """Look at the data, then write configs, manifests and their schemas; all of it or nothing.

    Without data of any kind it is what `graphs build --out` left in the folder, else the demo.

    Raises:
        RequestError: options that don't go together, or a file that would be overwritten.
        DataError: labels or graphs can't be used, or labels have no graph.
    """
    folder = request.folder.expanduser()
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"{shown(folder)} is a file; name a folder")
    data = _data(request, folder)
    files = {**_own_files(data, folder), **data.files}
    _check_nothing_is_lost(folder, files)
    with _all_or_nothing(folder) as write:
        for name, (text, _) in files.items():
            write(name, text)
        for manifest in (project_templates.CORE, project_templates.EXTENDED):
            load_manifest(folder / manifest)
    words = tuple((name, what) for name, (_, what) in files.items() if what)
    return OwnFolder(folder, words, tuple(data.notes), data.title, "graph" in data.paths)


def _data(request: InitRequest, folder: Path) -> _Data:
    if request.dataset is not None:
        _check_alone("--dataset", request)
        return _of_dataset(request.dataset)
    if request.graphs is None:
        return _unnamed(request, folder)
    graphs = graph_folder(request.graphs.expanduser())
    if request.labels is not None:
        if request.train_labels or request.val_labels or request.test_labels:
            raise RequestError("give --labels, or labels that are split already; not both")
        return _to_split(request, folder, graphs, request.labels.expanduser())
    if request.train_labels is None or request.val_labels is None:
        beside = graphs.parent / _BUILT_LABELS
        found = [f"there is {shown(beside)}"] if beside.is_file() else []
        raise RequestError("which labels belong to the graphs?", details=found, hint=_WAYS)
    return _split_already(request, graphs)


def _check_alone(option: str, request: InitRequest) -> None:
    others = (request.graphs, request.labels, request.train_labels, request.val_labels)
    if any(others) or request.test_labels:
        raise RequestError(f"{option} brings its own graphs and labels; give no others")


def _unnamed(request: InitRequest, folder: Path) -> _Data:
    """No graphs were named: what was built in the folder, else the demo."""
    if request.train_labels or request.val_labels or request.test_labels:
        raise RequestError("labels need their graphs: --graphs DIR")
    built = folder / BUILT
    labels = request.labels or folder / _BUILT_LABELS
    if built.is_dir() and labels.is_file():
        data = _to_split(request, folder, built, labels)
        data.notes.insert(0, f"found {shown(built)} and {shown(labels)}")
        return data
    if request.labels is not None:
        raise RequestError("labels need their graphs: --graphs DIR")
    if built.is_dir():
        raise RequestError(f"there are graphs in {shown(built)}, but no labels", hint=_WAYS)
    if request.wishes.get("val", Wish()).targets or request.wishes.get("test", Wish()).targets:
        raise RequestError("targets are named, but no labels", hint=_WAYS)
    return _of_dataset(DEMO)


def _of_dataset(name: str) -> _Data:
    discovery.find(discovery.DATASETS, "data set", name)
    return _Data({"dataset": name}, None, f"the data set {name}")


def _split_already(request: InitRequest, graphs: Path) -> _Data:
    named = {
        "train": request.train_labels,
        "val": request.val_labels,
        "test": request.test_labels,
    }
    files = {split: path.expanduser() for split, path in named.items() if path is not None}
    for path in files.values():
        require_file(path)
    tables = {split: read_table(path, split=split) for split, path in files.items()}
    index = GraphIndex.scan(graphs)
    for split, table in tables.items():
        _check_coverage(cover(table.labels, index), files[split], graphs)
    data = _Data(
        {"graph": graphs, **{f"{split}_labels": path for split, path in files.items()}},
        len(tables["train"].labels.rows),
        _title(graphs, {split: table.labels.rows for split, table in tables.items()}),
    )
    both = shared_targets(table.labels for table in tables.values())
    if both:
        data.notes.append(
            f"{len(both)} targets stand in more than one label file ({', '.join(both[:5])}"
            f"{', ...' if len(both) > 5 else ''}): figures for them flatter"
        )
    return data


def _to_split(request: InitRequest, folder: Path, graphs: Path, labels: Path) -> _Data:
    require_file(labels)
    table = read_table(labels, split="all")
    _check_coverage(cover(table.labels, GraphIndex.scan(graphs)), labels, graphs)
    splits = split_by_target(table.labels.rows, request.wishes, seed=request.seed)
    data = _Data(
        {
            "graph": graphs,
            **{f"{split}_labels": folder / "labels" / f"{split}.csv" for split in splits},
        },
        len(splits["train"]),
        _title(graphs, splits),
    )
    for split, rows in splits.items():
        names = list(dict.fromkeys(row.target for row in rows))
        some = f": {' '.join(names)}" if split != "train" and len(names) <= 8 else ""
        plural = "" if len(names) == 1 else "s"
        words = f"{len(rows)} decoys of {len(names)} target{plural}{some}"
        data.files[f"labels/{split}.csv"] = (table.text(rows), words)
    named = any(wish.targets for wish in request.wishes.values())
    data.notes += [] if named else [_RELATIVES]
    data.notes += _notes_on_split(table)
    return data


def _notes_on_split(table: LabelTable) -> list[str]:
    notes = []
    rows = table.labels.rows
    if len({row.target for row in rows}) == len(rows):
        notes.append(
            "every decoy is a target of its own: a target is what stands before the first _ or / "
            "of MODEL, or the column TARGET"
        )
    if table.labels.left_out:
        notes.append(f"{table.labels.left_out} rows without a dockq were left out")
    return notes


def _check_coverage(found: SplitCoverage, labels: Path, graphs: Path) -> None:
    if not found.missing:
        return
    more = f" and {len(found.missing) - 10} more" if len(found.missing) > 10 else ""
    raise DataError(
        f"{len(found.missing)} of {found.total} labels in {shown(labels)} have no graph",
        details=[f"{'  '.join(found.missing[:10])}{more}"],
        hint="Build them, or leave them out and init again with what is left:\n"
        f"topoqa-train data filter {_quoted(labels)} --graphs {_quoted(graphs)} "
        f"--out {_quoted(labels.with_name(f'sound_{labels.name}'))}",
    )


def _quoted(path: Path) -> str:
    return shlex.quote(shown(path))


def _title(graphs: Path, splits: Mapping[str, Sequence[Label]]) -> str:
    counts = ", ".join(f"{len(rows)} {split}" for split, rows in splits.items())
    return f"the graphs in {shown(graphs)} ({counts})"


def _own_files(data: _Data, folder: Path) -> dict[str, tuple[str, str]]:
    """Path below the folder to text and a few words; those without words need none."""
    base = folder / "configs"
    paths = {key: _written(value, base) for key, value in data.paths.items()}
    steps = project_templates.steps_for(data.train)
    return {
        project_templates.CONFIG: (
            project_templates.config_file(paths, steps),
            "the sweep: data, network, steps",
        ),
        project_templates.FINE_TUNE: (
            project_templates.fine_tune_file(paths, steps),
            "both fine-tune phases",
        ),
        f"configs/{CONFIG_FILE}": (as_text(config_schema()), ""),
        project_templates.CORE: (
            project_templates.manifest_file(extended=False),
            "three recipes, then fine-tune",
        ),
        project_templates.EXTENDED: (
            project_templates.manifest_file(extended=True),
            "the same with three seeds",
        ),
        f"manifests/{MANIFEST_FILE}": (as_text(manifest_schema()), ""),
    }


def _written(path: Path | str, base: Path) -> str:
    """A path as it is to stand in a file in `base`: relative, unless it leads far away.

    What lies beside the folder moves with it; what lies elsewhere does not.
    """
    if isinstance(path, str):
        return path
    # A link that the path ends in is named, not what it leads to.
    target, start = path.absolute().parent.resolve() / path.name, base.resolve()
    return (
        os.path.relpath(target, start) if target.is_relative_to(start.parents[1]) else str(target)
    )


def _check_nothing_is_lost(folder: Path, files: Mapping[str, object]) -> None:
    there = [name for name in files if os.path.lexists(folder / name)]
    if there:
        raise RequestError(
            f"{shown(folder)} holds files that would be overwritten",
            details=there,
            hint="Nothing was written. Choose another folder, or move them away.",
        )


@contextmanager
def _all_or_nothing(folder: Path) -> Iterator[Callable[[str, str], None]]:
    """Give a function that writes a file; if the block fails, take away all that it made."""
    made: list[Path] = []

    def make(path: Path) -> None:
        if not path.is_dir():
            make(path.parent)
            path.mkdir()
            made.append(path)

    def write(name: str, text: str) -> None:
        path = folder / name
        make(path.parent)
        made.append(path)
        atomic.write_text(path, text)

    try:
        yield write
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise
