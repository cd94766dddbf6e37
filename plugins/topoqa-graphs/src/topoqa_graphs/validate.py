"""Check every graph of a folder and list its errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from topoqa_graphs.records import GRAPHS, METADATA, SUMMARY
from topoqa_train.api import (
    DataError,
    Progress,
    RequestError,
    graph_errors,
    progress,
    read_graph,
    read_json,
)

SUFFIX = ".pt"
# Errors in the folder's own files are listed under this name.
FOLDER = ""


@dataclass(frozen=True, order=True)
class GraphError:
    """One thing that is wrong with one graph; `kind` is a word to sort by.

    Kinds: broken (can't be read), unfit (can't be trained on: empty, shapes, types, NaN, nodes
    that are not there), edges, width, metadata, missing.
    """

    graph: str
    kind: str
    text: str


@dataclass(frozen=True)
class Validation:
    """What was found in a folder; `widths` counts graphs by (node, edge) width."""

    folder: Path
    graphs: int
    widths: Mapping[tuple[int, int], int]
    metadata: Path | None
    errors: tuple[GraphError, ...]

    def to_document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "folder": str(self.folder),
            "graphs": self.graphs,
            "widths": [
                {"node_dim": node, "edge_dim": edge, "graphs": count}
                for (node, edge), count in sorted(self.widths.items())
            ],
            "metadata": None if self.metadata is None else str(self.metadata),
            "faults": [
                {"graph": error.graph, "kind": error.kind, "fault": error.text}
                for error in self.errors
            ],
        }


@dataclass
class _Found:
    """What the graphs that can be read look like, by name."""

    widths: dict[str, tuple[int, int]] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)


def validate(folder: Path, show: Progress = progress) -> Validation:
    """Check the graphs in `folder`, or in its `graph_data`, and the builder's files beside them.

    Raises:
        RequestError: no such folder, or neither graphs nor metadata in it.
    """
    if not folder.is_dir():
        raise RequestError(f"{folder}: no such folder")
    graphs = folder / GRAPHS if (folder / GRAPHS).is_dir() else folder
    paths = {_name(path, graphs): path for path in sorted(graphs.rglob(f"*{SUFFIX}"))}
    paths = {name: path for name, path in paths.items() if "/." not in f"/{name}"}
    metadata = _beside(graphs, METADATA)
    if not paths and metadata is None:
        raise RequestError(
            f"{folder}: no graphs in it", hint=f"Graphs are files *{SUFFIX}, here or in {GRAPHS}/."
        )
    found = _Found()
    errors: list[GraphError] = []
    with show("checking graphs", len(paths)) as advance:
        for name, path in paths.items():
            errors += (GraphError(name, kind, text) for kind, text in _check(name, path, found))
            advance(1)
    errors += _differing_widths(found)
    if metadata is not None:
        errors += _against_metadata(metadata, paths, found)
    if (summary := _beside(graphs, SUMMARY)) is not None:
        errors += _summary_errors(summary)
    widths = Counter(found.widths.values())
    return Validation(graphs, len(paths), widths, metadata, tuple(sorted(errors)))


def _name(path: Path, graphs: Path) -> str:
    return path.relative_to(graphs).as_posix().removesuffix(SUFFIX)


def _beside(graphs: Path, name: str) -> Path | None:
    return next((p for p in (graphs / name, graphs.parent / name) if p.is_file()), None)


def _check(name: str, path: Path, found: _Found) -> Iterator[tuple[str, str]]:
    """Yield the errors of one graph, as kind and text."""
    try:
        graph = read_graph(path)
    except DataError as error:
        yield "broken", "; ".join((error.message, *error.details))
        return
    errors = graph_errors(graph)
    yield from (("unfit", error) for error in errors)
    if graph.x.dim() == 2 and graph.edge_attr.dim() == 2:
        found.widths[name] = (int(graph.x.shape[1]), int(graph.edge_attr.shape[1]))
        found.nodes[name] = int(graph.x.shape[0])
    if not errors:
        edges = graph.edge_index.numpy()
        yield from (("edges", error) for error in edge_errors(edges, int(graph.x.shape[0])))


def edge_errors(edge_index: np.ndarray[Any, Any], nodes: int) -> list[str]:
    """Return the errors of edges [2, e] whose nodes all exist."""
    if not edge_index.shape[1]:
        return ["no edges"]
    source, target = edge_index
    forth, back = source * nodes + target, target * nodes + source
    single = np.count_nonzero(~np.isin(back, forth))
    loops = np.count_nonzero(source == target)
    repeated = len(forth) - len(np.unique(forth))
    counted = (
        (single, "edges in one direction only"),
        (loops, "edges lead from a node to itself"),
        (repeated, "duplicate edges"),
    )
    return [f"{count} {text}" for count, text in counted if count]


def _differing_widths(found: _Found) -> Iterator[GraphError]:
    """Graphs that are not as wide as most."""
    counts = Counter(found.widths.values())
    if len(counts) < 2:
        return
    usual, how_many = max(counts.items(), key=lambda item: (item[1], item[0]))
    for name, (node, edge) in found.widths.items():
        if (node, edge) != usual:
            text = f"{node} columns per node and {edge} per edge; {how_many} graphs have {usual[0]}"
            yield GraphError(name, "width", f"{text} and {usual[1]}")


def _against_metadata(path: Path, paths: Mapping[str, Path], found: _Found) -> Iterator[GraphError]:
    try:
        document = read_json(path)
    except DataError as error:
        yield GraphError(FOLDER, "metadata", error.message)
        return
    variants: Counter[str] = Counter()
    for model, entry in document.items():
        name = model if model in paths else model.replace("__", "/")
        if name not in paths:
            yield GraphError(model, "missing", f"{path.name} lists it, but it does not exist")
        elif not isinstance(entry, dict):
            yield GraphError(name, "metadata", "its entry is not a JSON object")
        else:
            edges = entry.get("edge_metadata")
            edges = edges if isinstance(edges, dict) else {}
            variants[str(edges.get("edge_feature_variant"))] += 1
            yield from (
                GraphError(name, "metadata", text)
                for text in _entry_errors(entry, edges, name, found)
            )
    listed = {*document, *(model.replace("__", "/") for model in document)}
    for name in paths:
        if name not in listed and name.replace("/", "__") not in listed:
            yield GraphError(name, "metadata", f"{path.name} has no entry for it")
    if len(variants) > 1:
        text = ", ".join(f"{count} of {variant}" for variant, count in sorted(variants.items()))
        yield GraphError(FOLDER, "metadata", f"edge features of {len(variants)} variants: {text}")


def _entry_errors(
    entry: Mapping[str, Any], edges: Mapping[str, Any], name: str, found: _Found
) -> Iterator[str]:
    """Where the metadata of a graph and its tensors disagree; a key that is not there is none."""
    if name not in found.widths:
        return
    node_dim, edge_dim = found.widths[name]
    columns, residues = entry.get("node_feature_columns"), entry.get("residues")
    if isinstance(columns, list) and len(columns) != node_dim:
        yield f"node_feature_columns has {len(columns)} names, the graph {node_dim} columns"
    width = edges.get("feature_dim")
    if width is not None and width != edge_dim:
        yield f"edge_metadata.feature_dim is {width}, the graph has {edge_dim} columns per edge"
    if isinstance(residues, list) and len(residues) != found.nodes[name]:
        yield f"it names {len(residues)} residues, the graph has {found.nodes[name]} nodes"


def _summary_errors(path: Path) -> Iterator[GraphError]:
    try:
        if not isinstance(read_json(path).get("modules"), dict):
            yield GraphError(FOLDER, "metadata", f"{path.name} has no entry modules")
    except DataError as error:
        yield GraphError(FOLDER, "metadata", error.message)
