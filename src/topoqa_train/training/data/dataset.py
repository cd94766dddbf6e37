"""The graphs of a split in memory, read once and checked."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data import Data

from topoqa_train import log
from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Label, Labels
from topoqa_train.training.data.graphs import graph_anomalies, graph_errors, read_graph

_MAX_SHOWN = 10
_logger = log.get(__name__)


class Sample(NamedTuple):
    """One graph with its DockQ and its position in the split."""

    graph: Data
    dockq: float
    position: int


class GraphDataset(Dataset[Sample]):
    """The graphs of one split in the order of its labels, all of one width.

    They are kept end to end in three tensors, and each graph is a view of them.
    """

    def __init__(
        self,
        split: str,
        labels: Sequence[Label],
        paths: Sequence[Path],
        graphs: Sequence[Data],
    ) -> None:
        self.split = split
        self.labels = tuple(labels)
        self.paths = tuple(paths)
        self._x = torch.cat([graph.x for graph in graphs])
        self._edge_index = torch.cat([graph.edge_index for graph in graphs], dim=1)
        self._edge_attr = torch.cat([graph.edge_attr for graph in graphs])
        self._first_node = list(
            itertools.accumulate((graph.x.shape[0] for graph in graphs), initial=0)
        )
        self._first_edge = list(
            itertools.accumulate((graph.edge_index.shape[1] for graph in graphs), initial=0)
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Sample:
        position = range(len(self))[index]
        return Sample(self.graph(position), self.labels[position].dockq, position)

    def graph(self, position: int) -> Data:
        """Return the graph at `position`, a view of the split's tensors: do not write to it."""
        return self._graphs[position]

    @cached_property
    def _graphs(self) -> list[Data]:
        # Creating a Data takes longer than adding it to a batch: once, not in every epoch.
        return [
            Data(
                self._x[node:node_end],
                self._edge_index[:, edge:edge_end],
                self._edge_attr[edge:edge_end],
            )
            for (node, node_end), (edge, edge_end) in zip(
                itertools.pairwise(self._first_node),
                itertools.pairwise(self._first_edge),
                strict=True,
            )
        ]

    def __getstate__(self) -> dict[str, Any]:
        # A spawned loader process gets three tensors, and not thousands of views.
        return {name: value for name, value in vars(self).items() if name != "_graphs"}

    @property
    def node_dim(self) -> int:
        """Width of the node features."""
        return self._x.shape[1]

    @property
    def edge_dim(self) -> int:
        """Width of the edge features."""
        return self._edge_attr.shape[1]

    @property
    def memory_bytes(self) -> int:
        """Size of all tensors."""
        tensors: tuple[Tensor, ...] = (self._x, self._edge_index, self._edge_attr)
        return sum(tensor.numel() * tensor.itemsize for tensor in tensors)

    @cached_property
    def dockq(self) -> np.ndarray:
        """[g] float64: the labels."""
        return np.array([label.dockq for label in self.labels])

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """The distinct targets, in the order of their first decoys."""
        return tuple(dict.fromkeys(label.target for label in self.labels))

    @cached_property
    def target_ids(self) -> np.ndarray:
        """[g] int64: the index in `targets` of each graph's target."""
        place = {target: index for index, target in enumerate(self.targets)}
        return np.array([place[label.target] for label in self.labels], dtype=np.int64)


@dataclass(frozen=True)
class _Found:
    """A label with its graph."""

    label: Label
    path: Path
    graph: Data


def load_splits(
    labels: Mapping[str, Labels],
    index: GraphIndex,
    on_graph: Callable[[int, int], None] | None = None,
) -> dict[str, GraphDataset]:
    """Read and check the graph of every label; labels without a graph are skipped.

    `on_graph` is called before each graph with the number of labels done and of all labels, and
    may raise to stop. Anomalies that training tolerates are logged.

    Raises:
        DataError: graphs are damaged, invalid or of different widths (all graphs are read first),
            or a split has no graph at all.
    """
    # All graphs are read before an error is raised, so that a user can repair them in one go.
    errors: list[str] = []
    anomalies: Counter[str] = Counter()
    total = sum(len(part.rows) for part in labels.values())
    labels_done = itertools.count()

    def tick() -> None:
        if on_graph is not None:
            on_graph(next(labels_done), total)

    found = {
        split: _read_split(part, index, errors, anomalies, tick) for split, part in labels.items()
    }
    if errors:
        raise DataError(
            f"{len(errors)} of {total} graphs can't be used",
            details=_shortened(errors),
            hint="List them all with: topoqa-train graphs validate DIR. Rebuild them or remove "
            "them from the labels.",
        )
    for what, count in anomalies.items():
        _logger.warning("%d graphs have %s", count, what)
    _check_widths([one for part in found.values() for one in part])
    return {split: _pack(split, part) for split, part in found.items()}


def _read_split(
    labels: Labels,
    index: GraphIndex,
    errors: list[str],
    anomalies: Counter[str],
    tick: Callable[[], None],
) -> list[_Found]:
    found = []
    for label in labels.rows:
        tick()
        path = index.find(label.model)
        if path is None:
            continue
        try:
            graph = read_graph(path)
        except DataError as error:
            errors.append(error.message)
            continue
        wrong = graph_errors(graph)
        if wrong:
            errors.append(f"{path}: {'; '.join(wrong)}")
        else:
            anomalies.update(_kinds(graph_anomalies(graph)))
            found.append(_Found(label, path, graph))
    return found


def _kinds(anomalies: Sequence[str]) -> list[str]:
    """Return the texts without their numbers, so that equal anomalies count together."""
    return [text.lstrip("0123456789 ") for text in anomalies]


def _check_widths(found: Sequence[_Found]) -> None:
    groups: dict[tuple[int, int], list[str]] = {}
    for one in found:
        widths = (one.graph.x.shape[1], one.graph.edge_attr.shape[1])
        groups.setdefault(widths, []).append(one.path.name)
    if len(groups) < 2:
        return
    fewest_first = sorted(groups.items(), key=lambda group: len(group[1]))
    raise DataError(
        f"the graphs have {len(groups)} different widths",
        details=[
            f"nodes {node_dim}, edges {edge_dim}: {len(files)} graphs: "
            + ", ".join(files[:_MAX_SHOWN])
            + (", ..." if len(files) > _MAX_SHOWN else "")
            for (node_dim, edge_dim), files in fewest_first
        ],
        hint="All graphs of a training need the same features: rebuild them.",
    )


def _pack(split: str, found: list[_Found]) -> GraphDataset:
    if not found:
        raise DataError(f"{split}: no labelled decoy has a graph")
    return GraphDataset(
        split,
        [one.label for one in found],
        [one.path for one in found],
        [one.graph for one in found],
    )


def _shortened(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MAX_SHOWN
    return [*lines[:_MAX_SHOWN], *([f"and {more} more"] if more > 0 else [])]
