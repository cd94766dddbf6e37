"""One decoy's interface as tensors: reading, checking and writing its file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from topoqa_train import atomic
from topoqa_train.errors import DataError
from topoqa_train.training.data.keys import EDGE_ATTR, EDGE_INDEX, GRAPH_KEYS, X
from topoqa_train.training.io.pyg_file import read_tensors

_DTYPES: Final = {X: torch.float32, EDGE_INDEX: torch.int64, EDGE_ATTR: torch.float32}
_SHAPES: Final = {X: "[n, node_dim]", EDGE_INDEX: "[2, e]", EDGE_ATTR: "[e, edge_dim]"}


@dataclass(frozen=True)
class Graph:
    """The tensors of one graph, shapes and types as in `keys` once `graph_errors` is empty."""

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor

    @property
    def num_nodes(self) -> int:
        """Interface residues."""
        return self.x.shape[0]

    @property
    def num_edges(self) -> int:
        """Edges, each direction counted."""
        return self.edge_index.shape[1]


def read_graph(path: Path) -> Graph:
    """Read one graph file without running code from it.

    What the tensors hold is not judged here: see `graph_errors`.

    Raises:
        DataError: no file, damaged, no `Data`, a tensor missing, or something in the pickle
            that would run code, which is named.
    """
    tensors = read_tensors(path, GRAPH_KEYS)
    missing = [name for name in GRAPH_KEYS if name not in tensors]
    if missing:
        raise DataError(f"{path} is no graph: it has no {' and no '.join(missing)}")
    return Graph(**tensors)


def graph_errors(graph: Graph) -> list[str]:
    """All that makes a graph unfit for training, in words; empty if it is fit."""
    return _layout_faults(graph) or _content_faults(graph)


def graph_oddities(graph: Graph) -> list[str]:
    """What can be trained on but is seldom meant; takes a graph without faults."""
    nodes, (source, target) = graph.num_nodes, graph.edge_index
    if not graph.num_edges:
        return ["no edges"]
    forth = torch.sort(source * nodes + target).values
    back = torch.sort(target * nodes + source).values
    loops = int((source == target).sum())
    repeated = int((forth[1:] == forth[:-1]).sum())
    alone = nodes - len(torch.unique(graph.edge_index))
    return [
        text
        for holds, text in (
            (not torch.equal(forth, back), "edges that stand in one direction alone"),
            (loops, f"{loops} edges from a node to itself"),
            (repeated, f"{repeated} edges that stand twice"),
            (alone, f"{alone} nodes without an edge"),
        )
        if holds
    ]


def write_graph(path: Path, x: Any, edge_index: Any, edge_attr: Any) -> None:  # noqa: ANN401
    """Write one graph, atomically, as a torch-geometric `Data` file.

    Takes tensors or whatever numpy makes an array of, shapes as in `keys`. The same numbers give
    the same bytes, whatever the file is called.

    Raises:
        DataError: the graph is not fit for training; the faults are named.
    """
    from torch_geometric.data import Data  # heavy, and reading does without it

    graph = Graph(
        _plain(x, torch.float32), _plain(edge_index, torch.int64), _plain(edge_attr, torch.float32)
    )
    faults = graph_errors(graph)
    if faults:
        raise DataError(f"the graph for {path} is not fit to be written", details=faults)
    buffer = io.BytesIO()
    torch.save(Data(x=graph.x, edge_index=graph.edge_index, edge_attr=graph.edge_attr), buffer)
    atomic.write_bytes(path, buffer.getvalue())


def _plain(values: Any, dtype: torch.dtype) -> Tensor:  # noqa: ANN401
    # A copy of its own: torch.save writes the whole storage behind a view.
    return torch.as_tensor(values).detach().to(device="cpu", dtype=dtype, copy=True).contiguous()


def _layout_faults(graph: Graph) -> list[str]:
    tensors = {X: graph.x, EDGE_INDEX: graph.edge_index, EDGE_ATTR: graph.edge_attr}
    faults = [
        f"{name} is {_name_of(tensor.dtype)}, not {_name_of(_DTYPES[name])}"
        for name, tensor in tensors.items()
        if tensor.dtype != _DTYPES[name]
    ]
    faults += [
        f"{name} has the shape {list(tensor.shape)}, not {_SHAPES[name]}"
        for name, tensor in tensors.items()
        if tensor.dim() != 2 or (name == EDGE_INDEX and tensor.shape[0] != 2)
    ]
    if faults:
        return faults
    if graph.num_nodes == 0:
        faults.append("no nodes: an interface without residues")
    if graph.x.shape[1] == 0:
        faults.append("nodes without features")
    if graph.edge_attr.shape[1] == 0:
        faults.append("edges without features")
    if graph.edge_attr.shape[0] != graph.num_edges:
        faults.append(
            f"{graph.num_edges} edges in {EDGE_INDEX}, {graph.edge_attr.shape[0]} in {EDGE_ATTR}"
        )
    return faults


def _content_faults(graph: Graph) -> list[str]:
    faults = []
    for name, values in ((X, graph.x), (EDGE_ATTR, graph.edge_attr)):
        finite = torch.isfinite(values)
        if not finite.all():
            row, column = (int(place) for place in (~finite).nonzero()[0])
            count = int((~finite).sum())
            faults.append(f"{name} holds {count} NaN or infinite, first at [{row}, {column}]")
    if graph.num_edges:
        lowest, highest = (int(end) for end in torch.aminmax(graph.edge_index))
        if lowest < 0 or highest >= graph.num_nodes:
            wrong = lowest if lowest < 0 else highest
            faults.append(
                f"{EDGE_INDEX} names node {wrong}, and there are nodes 0 to {graph.num_nodes - 1}"
            )
    return faults


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
