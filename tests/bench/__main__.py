"""Where our own code earns its place: each against a library that does the same, in one run.

Ratios of medians, taken in turns, so that a noisy machine is noisy for both.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch_geometric.data import Batch, Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage
from torch_geometric.nn import GATv2Conv

from topoqa_train.training.data.collate import collate
from topoqa_train.training.data.dataset import Sample
from topoqa_train.training.data.graphs import Graph, read_graph, write_graph
from topoqa_train.training.model.build import ModelOptions, build_model

ROUNDS = 30
GRAPHS, NODES, EDGES, NODE_DIM, EDGE_DIM = 16, 60, 150, 172, 11

Case = tuple[str, Callable[[], object], Callable[[], object]]


def graphs() -> list[Graph]:
    """A batch as the demo has them."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for _ in range(GRAPHS):
        ends = torch.randint(NODES, (2, EDGES), generator=generator)
        made.append(
            Graph(
                torch.rand(NODES, NODE_DIM, generator=generator),
                torch.cat([ends, ends.flip(0)], dim=1),
                torch.rand(2 * EDGES, EDGE_DIM, generator=generator),
            )
        )
    return made


def reading(folder: Path, made: list[Graph]) -> Case:
    paths = [folder / f"{number}.pt" for number in range(len(made))]
    for path, graph in zip(paths, made, strict=True):
        write_graph(path, graph.x, graph.edge_index, graph.edge_attr)
    allowed = [Data, DataEdgeAttr, DataTensorAttr, GlobalStorage]

    def theirs() -> None:
        with torch.serialization.safe_globals(allowed):
            for path in paths:
                torch.load(path, weights_only=True)

    return "read 16 graphs: torch.load", lambda: [read_graph(path) for path in paths], theirs


def batching(made: list[Graph]) -> Case:
    samples = [Sample(graph, 0.5, number) for number, graph in enumerate(made)]
    data = [Data(x=g.x, edge_index=g.edge_index, edge_attr=g.edge_attr) for g in made]
    return (
        "make a batch of 16: Batch.from_data_list",
        lambda: collate(samples),
        lambda: Batch.from_data_list(data),
    )


class LibraryLayers(torch.nn.Module):
    """The same attention with torch-geometric's convolution, edge updates left out."""

    def __init__(self) -> None:
        super().__init__()
        self.node = torch.nn.Linear(NODE_DIM, 32)
        self.edge = torch.nn.Linear(EDGE_DIM, 32)
        self.layers = torch.nn.ModuleList(
            GATv2Conv(
                32, 32, heads=8, concat=False, edge_dim=32, add_self_loops=False, dropout=0.25
            )
            for _ in range(2)
        )

    def forward(self, x, edge_index, edge_attr):
        x, edge_attr = self.node(x), self.edge(edge_attr)
        for layer in self.layers:
            x = torch.nn.functional.elu(layer(x, edge_index, edge_attr))
        return x.mean()


def training(made: list[Graph]) -> Case:
    batch = collate([Sample(graph, 0.5, number) for number, graph in enumerate(made)])
    ours = build_model("proteingat", ModelOptions(), node_dim=NODE_DIM, edge_dim=EDGE_DIM)
    library = LibraryLayers()

    def step() -> None:
        torch.nn.functional.mse_loss(ours(batch), batch.y).backward()

    return (
        "forward and back, whole network: two GATv2Conv alone",
        step,
        lambda: library(batch.x, batch.edge_index, batch.edge_attr).backward(),
    )


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    torch.set_num_threads(1)
    made = graphs()
    table = Table(box=None, title=f"medians of {ROUNDS} rounds, one thread")
    for heading in ("ours against", "ours ms", "theirs ms", "theirs / ours"):
        table.add_column(heading, justify="left" if heading == "ours against" else "right")
    with tempfile.TemporaryDirectory() as folder:
        for name, ours, theirs in (reading(Path(folder), made), batching(made), training(made)):
            ours(), theirs()
            pairs = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
            mine, other = (1000 * median(column) for column in zip(*pairs, strict=True))
            table.add_row(name, f"{mine:.2f}", f"{other:.2f}", f"{other / mine:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
