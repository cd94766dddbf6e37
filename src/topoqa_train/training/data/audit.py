"""Every label with its graph, or with the reason why it can't be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch_geometric.data import Data

from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Label, LeftOut, Reason
from topoqa_train.training.data.graphs import graph_errors, read_graph

Widths = tuple[int, int]


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


def read_labelled(
    labels: Iterable[Label], index: GraphIndex, on_graph: Callable[[int], None]
) -> Iterator[LabelledGraph | LeftOut]:
    """Read the graph of each label in turn; call `on_graph(1)` after each."""
    for label in labels:
        yield _read(label, index)
        on_graph(1)


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


def differing_widths(read: Sequence[tuple[Label, Widths]]) -> dict[str, LeftOut]:
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
