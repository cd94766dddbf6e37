"""Features of a data set: widths from the tensors, names from the builder's files."""

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

_MAX_SHOWN = 4
# Each graph that the metadata describes, with its description.
_Built = Sequence[tuple[Path, BuiltGraph]]


@dataclass(frozen=True)
class FeatureSchema:
    """Widths and provenance of the features of all splits.

    `node_columns` and the values of `edges` are None if no builder's file states them.
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
        """Return the content of feature_metadata.json."""
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
    """Compare the builder's files, given or found next to the graphs, with the tensors.

    Raises:
        DataError: a given file does not exist, is invalid, or contradicts the tensors or itself;
            files and graphs are named.
    """
    metadata = locate(METADATA_NAME, graph_dir, metadata_path)
    summary = locate(SUMMARY_NAME, graph_dir, summary_path)
    built, notes = _built(splits, metadata)
    first = splits[0]
    if metadata is not None:
        _check(built, first.node_dim, first.edge_dim, metadata)
    if len({str(entry.edge_params) for _, entry in built}) > 1:
        notes.append("edge_params differ between graphs; those of the first are shown")
    if summary is None:
        notes.append(f"no {SUMMARY_NAME}: the modules that built the graphs are unknown")
    shown = built[0][1] if built else BuiltGraph()
    edges = shown.edge_metadata
    return FeatureSchema(
        node_dim=first.node_dim,
        edge_dim=first.edge_dim,
        node_columns=_columns(shown),
        edges={
            "variant": edges.edge_feature_variant,
            "module": shown.edge_module,
            "params": shown.edge_params,
            "bands": edges.bands,
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
    """Return the metadata of each graph, and notes on what is missing."""
    if metadata is None:
        return [], [f"no {METADATA_NAME}: widths are those of the tensors, columns have no names"]
    document = read_document(metadata)
    built: list[tuple[Path, BuiltGraph]] = []
    missing: list[str] = []
    for split in splits:
        for label, path in zip(split.labels, split.paths, strict=True):
            entry = built_graph(document, label.model, metadata)
            entry = entry or built_graph(document, path.stem, metadata)
            if entry is None:
                missing.append(label.model)
            else:
                built.append((path, entry))
    note = f"{METADATA_NAME} has no entry for {len(missing)} graphs: {_some(missing)}"
    return built, [note] if missing else []


def _check(built: _Built, node_dim: int, edge_dim: int, metadata: Path) -> None:
    """Raise `DataError` if the metadata contradicts the tensors, or itself."""
    columns = _grouped(built, _columns)
    edge_dims = _grouped(built, lambda entry: entry.edge_metadata.feature_dim)
    node_dims = [(len(names), files) for names, files in columns.items()]
    errors = [
        *_wrong_widths(edge_dims.items(), "edge_metadata.feature_dim", edge_dim),
        *_wrong_widths(node_dims, "the number of node_feature_columns", node_dim),
    ]
    if errors:
        raise DataError(
            f"{metadata} and the graphs disagree",
            details=errors,
            hint="Rebuild the graphs, or set paths.metadata to the file that belongs to them.",
        )
    variants = _grouped(built, lambda entry: entry.edge_metadata.edge_feature_variant)
    errors = [
        *_minorities(columns, "node_feature_columns"),
        *_minorities(variants, "edge_metadata.edge_feature_variant"),
        *_minorities(_grouped(built, lambda entry: entry.edge_module), "edge_module"),
    ]
    if errors:
        raise DataError(
            f"{metadata} describes graphs of different features",
            details=errors,
            hint="All graphs of a training need the same features: rebuild them.",
        )


def _columns(entry: BuiltGraph) -> tuple[str, ...] | None:
    names = entry.node_feature_columns
    return None if names is None else tuple(names)


def _grouped(built: _Built, value: Callable[[BuiltGraph], Any]) -> dict[Any, list[str]]:
    """Return the names of the graphs with each value; the rarest value comes first."""
    groups: dict[Any, list[str]] = {}
    for path, entry in built:
        stated = value(entry)
        if stated is not None:
            groups.setdefault(stated, []).append(path.name)
    return dict(sorted(groups.items(), key=lambda group: len(group[1])))


def _wrong_widths(groups: Iterable[tuple[int, Sequence[str]]], name: str, actual: int) -> list[str]:
    return [
        f"{name} is {shorten(str(stated))}, the tensors have {actual}, "
        f"in {len(files)} graphs: {_some(files)}"
        for stated, files in groups
        if stated != actual
    ]


def _minorities(groups: Mapping[Any, Sequence[str]], name: str) -> list[str]:
    """Return a line for each value except the most common one."""
    return [
        f"{name} is {_text(stated)[:60]} in {len(files)} graphs: {_some(files)}"
        for stated, files in list(groups.items())[:-1]
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
    more = len(names) - _MAX_SHOWN
    return ", ".join(names[:_MAX_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
