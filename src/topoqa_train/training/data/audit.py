"""Every label with its graph or with what is wrong with it; stops at nothing."""

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
class Found:
    """A label and its sound graph."""

    label: Label
    path: Path
    graph: Data

    @property
    def widths(self) -> Widths:
        """Columns of a node and of an edge."""
        return widths(self.graph)


def widths(graph: Data) -> Widths:
    """Columns of a node and of an edge of a sound graph."""
    return graph.x.shape[1], graph.edge_attr.shape[1]


def look(
    labels: Iterable[Label], index: GraphIndex, on_graph: Callable[[int], None]
) -> Iterator[Found | LeftOut]:
    """Read the graph of each label in turn; `on_graph` is called with 1 after each."""
    for label in labels:
        yield _look(label, index)
        on_graph(1)


def _look(label: Label, index: GraphIndex) -> Found | LeftOut:
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
    faults = graph_errors(graph)
    if faults:
        return left_out(Reason.UNFIT_GRAPH, f"{path}: {'; '.join(faults)}")
    return Found(label, path, graph)


def odd_ones(seen: Sequence[tuple[Label, Widths]]) -> dict[str, LeftOut]:
    """By model, the labels whose graphs are not as wide as most: they can't be trained together."""
    counts = Counter(widths for _, widths in seen)
    if len(counts) < 2:
        return {}
    usual, many = max(counts.items(), key=lambda item: (item[1], item[0]))
    return {
        label.model: LeftOut(
            label.model,
            label.line,
            Reason.OTHER_WIDTHS,
            f"{label.model}: {node} columns a node and {edge} an edge; "
            f"{many} graphs have {usual[0]} and {usual[1]}",
        )
        for label, (node, edge) in seen
        if (node, edge) != usual
    }
