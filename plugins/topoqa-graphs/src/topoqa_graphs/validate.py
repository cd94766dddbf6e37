"""Look at every graph of a folder and say what is wrong with it."""

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
# Faults of the folder's own files stand under this name.
FOLDER = ""


@dataclass(frozen=True, order=True)
class Fault:
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
    faults: tuple[Fault, ...]

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
                {"graph": fault.graph, "kind": fault.kind, "fault": fault.text}
                for fault in self.faults
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
    faults: list[Fault] = []
    with show("checking graphs", len(paths)) as advance:
        for name, path in paths.items():
            faults += (Fault(name, kind, text) for kind, text in _check(name, path, found))
            advance(1)
    faults += _odd_widths(found)
    if metadata is not None:
        faults += _against_metadata(metadata, paths, found)
    if (summary := _beside(graphs, SUMMARY)) is not None:
        faults += _summary_faults(summary)
    widths = Counter(found.widths.values())
    return Validation(graphs, len(paths), widths, metadata, tuple(sorted(faults)))


def _name(path: Path, graphs: Path) -> str:
    return path.relative_to(graphs).as_posix().removesuffix(SUFFIX)


def _beside(graphs: Path, name: str) -> Path | None:
    return next((p for p in (graphs / name, graphs.parent / name) if p.is_file()), None)


def _check(name: str, path: Path, found: _Found) -> Iterator[tuple[str, str]]:
    """What is wrong with one graph, taken alone."""
    try:
        graph = read_graph(path)
    except DataError as error:
        yield "broken", "; ".join((error.message, *error.details))
        return
    faults = graph_errors(graph)
    yield from (("unfit", fault) for fault in faults)
    if graph.x.dim() == 2 and graph.edge_attr.dim() == 2:
        found.widths[name] = (int(graph.x.shape[1]), int(graph.edge_attr.shape[1]))
        found.nodes[name] = int(graph.x.shape[0])
    if not faults:
        edges = graph.edge_index.numpy()
        yield from (("edges", fault) for fault in edge_faults(edges, int(graph.x.shape[0])))


def edge_faults(edge_index: np.ndarray[Any, Any], nodes: int) -> list[str]:
    """What is wrong with edges [2, e] that all name nodes which are there."""
    if not edge_index.shape[1]:
        return ["no edges"]
    source, target = edge_index
    forth, back = source * nodes + target, target * nodes + source
    single = np.count_nonzero(~np.isin(back, forth))
    loops = np.count_nonzero(source == target)
    repeated = len(forth) - len(np.unique(forth))
    counted = (
        (single, "edges stand in one direction only"),
        (loops, "edges lead from a node to itself"),
        (repeated, "edges stand more than once"),
    )
    return [f"{count} {text}" for count, text in counted if count]


def _odd_widths(found: _Found) -> Iterator[Fault]:
    """Graphs that are not as wide as most."""
    counts = Counter(found.widths.values())
    if len(counts) < 2:
        return
    usual, how_many = max(counts.items(), key=lambda item: (item[1], item[0]))
    for name, (node, edge) in found.widths.items():
        if (node, edge) != usual:
            text = f"{node} columns a node and {edge} an edge; {how_many} graphs have {usual[0]}"
            yield Fault(name, "width", f"{text} and {usual[1]}")


def _against_metadata(path: Path, paths: Mapping[str, Path], found: _Found) -> Iterator[Fault]:
    try:
        document = read_json(path)
    except DataError as error:
        yield Fault(FOLDER, "metadata", error.message)
        return
    variants: Counter[str] = Counter()
    for model, entry in document.items():
        name = model if model in paths else model.replace("__", "/")
        if name not in paths:
            yield Fault(model, "missing", f"{path.name} tells of it, but there is no graph")
        elif not isinstance(entry, dict):
            yield Fault(name, "metadata", "its entry is no JSON object")
        else:
            edges = entry.get("edge_metadata")
            edges = edges if isinstance(edges, dict) else {}
            variants[str(edges.get("edge_feature_variant"))] += 1
            yield from (
                Fault(name, "metadata", text) for text in _entry_faults(entry, edges, name, found)
            )
    told = {*document, *(model.replace("__", "/") for model in document)}
    for name in paths:
        if name not in told and name.replace("/", "__") not in told:
            yield Fault(name, "metadata", f"{path.name} says nothing of it")
    if len(variants) > 1:
        text = ", ".join(f"{count} of {variant}" for variant, count in sorted(variants.items()))
        yield Fault(FOLDER, "metadata", f"edge features of {len(variants)} variants: {text}")


def _entry_faults(
    entry: Mapping[str, Any], edges: Mapping[str, Any], name: str, found: _Found
) -> Iterator[str]:
    """Where the metadata of a graph and its tensors disagree; a key that is not there is none."""
    if name not in found.widths:
        return
    node_dim, edge_dim = found.widths[name]
    columns, residues = entry.get("node_feature_columns"), entry.get("residues")
    if isinstance(columns, list) and len(columns) != node_dim:
        yield f"node_feature_columns names {len(columns)}, the graph has {node_dim} columns a node"
    width = edges.get("feature_dim")
    if width is not None and width != edge_dim:
        yield f"edge_metadata.feature_dim is {width}, the graph has {edge_dim} columns an edge"
    if isinstance(residues, list) and len(residues) != found.nodes[name]:
        yield f"it names {len(residues)} residues, the graph has {found.nodes[name]} nodes"


def _summary_faults(path: Path) -> Iterator[Fault]:
    try:
        if not isinstance(read_json(path).get("modules"), dict):
            yield Fault(FOLDER, "metadata", f"{path.name} names no modules")
    except DataError as error:
        yield Fault(FOLDER, "metadata", error.message)
