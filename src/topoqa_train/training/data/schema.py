"""What the features of a data set are: widths from the tensors, names from the builder's files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train.config.yaml.scalars import shorten
from topoqa_train.errors import DataError
from topoqa_train.training.data.builder_metadata import (
    METADATA_NAME,
    SUMMARY_NAME,
    BuiltGraph,
    built_graph,
    locate,
    modules,
    read_document,
)
from topoqa_train.training.data.dataset import GraphDataset

_NAMED = 4


@dataclass(frozen=True)
class FeatureSchema:
    """Widths and provenance of the features of all splits.

    `node_columns` and the keys of `edges` are None where no builder's file tells.
    """

    node_dim: int
    edge_dim: int
    node_columns: tuple[str, ...] | None
    edges: Mapping[str, Any]
    modules: Mapping[str, Any] | Sequence[Any]
    metadata_path: Path | None
    summary_path: Path | None
    notes: tuple[str, ...]
    sample_graph: Mapping[str, Any]

    def to_document(self) -> dict[str, Any]:
        """What stands in feature_metadata.json."""
        columns = None if self.node_columns is None else list(self.node_columns)
        return {
            "node_schema": {"dim": self.node_dim, "columns": columns},
            "edge_schema": {"dim": self.edge_dim, **self.edges},
            "module_registry": self.modules,
            "metadata_path": None if self.metadata_path is None else str(self.metadata_path),
            "summary_path": None if self.summary_path is None else str(self.summary_path),
            "notes": list(self.notes),
            "sample_graph": dict(self.sample_graph),
        }


def find_schema(
    splits: Sequence[GraphDataset],
    graph_dir: Path,
    *,
    metadata_path: Path | None = None,
    summary_path: Path | None = None,
) -> FeatureSchema:
    """Hold the builder's files, given or found beside the graphs, against the tensors.

    Raises:
        DataError: a file given is not there, is no such JSON, or says other than the tensors
            or than itself; files and graphs are named.
    """
    metadata = locate(METADATA_NAME, graph_dir, metadata_path)
    summary = locate(SUMMARY_NAME, graph_dir, summary_path)
    built, notes = _built(splits, metadata)
    first = splits[0]
    if metadata is not None:
        _check(built, first.node_dim, first.edge_dim, metadata)
    if len({_text(entry.edge_params) for _, entry in built}) > 1:
        notes.append("edge_params differ between graphs; those of the first are shown")
    if summary is None:
        notes.append(f"no {SUMMARY_NAME}: which modules built the graphs is not known")
    shown = built[0][1] if built else BuiltGraph(None, None, None, None, None, None)
    return FeatureSchema(
        node_dim=first.node_dim,
        edge_dim=first.edge_dim,
        node_columns=shown.node_columns,
        edges={
            "variant": shown.edge_variant,
            "module": shown.edge_module,
            "params": shown.edge_params,
            "bands": shown.edge_bands,
        },
        modules={} if summary is None else modules(read_document(summary), summary),
        metadata_path=metadata,
        summary_path=summary,
        notes=tuple(notes),
        sample_graph=_sample(first),
    )


def _built(
    splits: Iterable[GraphDataset], metadata: Path | None
) -> tuple[list[tuple[Path, BuiltGraph]], list[str]]:
    """What the metadata say of each graph that is used, and what is to be noted."""
    if metadata is None:
        return [], [f"no {METADATA_NAME}: widths are from the tensors, columns have no names"]
    document = read_document(metadata)
    built: list[tuple[Path, BuiltGraph]] = []
    silent: list[str] = []
    for split in splits:
        for label, path in zip(split.labels, split.paths, strict=True):
            entry = built_graph(document, label.model, metadata)
            entry = entry or built_graph(document, path.stem, metadata)
            if entry is None:
                silent.append(label.model)
            else:
                built.append((path, entry))
    note = f"{METADATA_NAME} says nothing of {len(silent)} graphs: {_some(silent)}"
    return built, [note] if silent else []


def _check(
    built: Sequence[tuple[Path, BuiltGraph]], node_dim: int, edge_dim: int, metadata: Path
) -> None:
    faults = [
        *_unlike(built, "edge_metadata.feature_dim", lambda entry: entry.edge_dim, edge_dim),
        *_unlike(
            built,
            "the number of node_feature_columns",
            lambda entry: None if entry.node_columns is None else len(entry.node_columns),
            node_dim,
        ),
    ]
    if faults:
        raise DataError(
            f"{metadata} and the graphs disagree",
            details=faults,
            hint="Build the graphs again, or name the file that belongs to them in paths.metadata.",
        )
    faults = [
        *_mixed(built, "node_feature_columns", lambda entry: entry.node_columns),
        *_mixed(built, "edge_metadata.edge_feature_variant", lambda entry: entry.edge_variant),
        *_mixed(built, "edge_module", lambda entry: entry.edge_module),
    ]
    if faults:
        raise DataError(
            f"{metadata} describes graphs of different features",
            details=faults,
            hint="Graphs that are trained on together have to be built alike: build them again.",
        )


def _unlike(
    built: Sequence[tuple[Path, BuiltGraph]],
    name: str,
    value: Callable[[BuiltGraph], int | None],
    actual: int,
) -> list[str]:
    """One line for each wrong value: it, how many graphs it is said of, and some of them."""
    wrong: dict[int, list[str]] = {}
    for path, entry in built:
        said = value(entry)
        if said is not None and said != actual:
            wrong.setdefault(said, []).append(path.name)
    return [
        f"{name} is {shorten(str(said))}, the tensors have {actual}, "
        f"in {len(files)} graphs: {_some(files)}"
        for said, files in sorted(wrong.items())
    ]


def _mixed(
    built: Sequence[tuple[Path, BuiltGraph]],
    name: str,
    value: Callable[[BuiltGraph], str | tuple[str, ...] | None],
) -> list[str]:
    """One line for each value but the most common, if there is more than one."""
    groups: dict[str | tuple[str, ...], list[str]] = {}
    for path, entry in built:
        said = value(entry)
        if said is not None:
            groups.setdefault(said, []).append(path.name)
    fewest_first = sorted(groups.items(), key=lambda group: len(group[1]))
    return [
        f"{name} is {_text(said)[:60]} in {len(files)} graphs: {_some(files)}"
        for said, files in fewest_first[:-1]
    ]


def _sample(split: GraphDataset) -> dict[str, Any]:
    graph = split.graph(0)
    return {
        "model": split.labels[0].model,
        "path": str(split.paths[0]),
        "num_nodes": graph.num_nodes,
        "num_edges": graph.num_edges,
        "node_dim": split.node_dim,
        "edge_dim": split.edge_dim,
    }


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
