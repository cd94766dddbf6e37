"""Every label with its graph, or with the reason why it can't be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from torch_geometric.data import Data

from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Label, LabelTable, LeftOut, Reason
from topoqa_train.training.data.graphs import graph_errors, read_graph

Widths = tuple[int, int]
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class LabelledGraph:
    """A label and its valid graph."""

    label: Label
    path: Path
    graph: Data

    @property
    def widths(self) -> Widths:
        """Columns of a node and of an edge."""
        return widths(self.graph)


def widths(graph: Data) -> Widths:
    """Return the columns of a node and of an edge of a valid graph."""
    return graph.x.shape[1], graph.edge_attr.shape[1]


@dataclass(frozen=True)
class AuditedSplit(Generic[Kept]):
    """What was kept of the labels with a valid graph, and the labels that can't be used."""

    kept: list[Kept] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def audit_tables(
    tables: Mapping[str, LabelTable],
    index: GraphIndex,
    on_graph: Callable[[int], None],
    keep: Callable[[LabelledGraph], Kept],
) -> dict[str, AuditedSplit[Kept]]:
    """Read the graph of every label; return by split which labels can be trained on.

    Graphs whose widths differ from those of most graphs, over all splits, can't be used either.
    `on_graph(1)` is called after each. `keep` chooses what stays in memory: the graphs of a whole
    data set may not fit.
    """
    seen: dict[str, list[tuple[Label, Widths, Kept]]] = {split: [] for split in tables}
    left_out = {split: list(table.left_out) for split, table in tables.items()}
    for split, table in tables.items():
        for label in table.labels.rows:
            item = _read(label, index)
            if isinstance(item, LeftOut):
                left_out[split].append(item)
            else:
                seen[split].append((label, item.widths, keep(item)))
            on_graph(1)
    other = _differing_widths([(label, both) for part in seen.values() for label, both, _ in part])
    return {
        split: AuditedSplit(
            [kept for label, _, kept in part if label.model not in other],
            sorted(
                [*left_out[split], *(other[one.model] for one, _, _ in part if one.model in other)],
                key=lambda item: item.line,
            ),
        )
        for split, part in seen.items()
    }


def _read(label: Label, index: GraphIndex) -> LabelledGraph | LeftOut:
    def left_out(reason: Reason, detail: str = "") -> LeftOut:
        return LeftOut(label.model, label.line, reason, detail)

    try:
        path = index.find(label.model)
    except DataError as error:
        return left_out(Reason.SEVERAL_GRAPHS, ", ".join(error.details))
    if path is None:
        return left_out(Reason.NO_GRAPH)
    try:
        graph = read_graph(path)
    except DataError as error:
        return left_out(Reason.BROKEN_GRAPH, error.message)
    errors = graph_errors(graph)
    if errors:
        return left_out(Reason.UNFIT_GRAPH, f"{path}: {'; '.join(errors)}")
    return LabelledGraph(label, path, graph)


def _differing_widths(read: Sequence[tuple[Label, Widths]]) -> dict[str, LeftOut]:
    """Return the labels, by model, whose graphs differ in width from most: no network fits both."""
    counts = Counter(widths for _, widths in read)
    if len(counts) < 2:
        return {}
    common, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    return {
        label.model: LeftOut(
            label.model,
            label.line,
            Reason.OTHER_WIDTHS,
            f"{label.model}: {node} columns per node and {edge} per edge; "
            f"{count} graphs have {common[0]} and {common[1]}",
        )
        for label, (node, edge) in read
        if (node, edge) != common
    }
