from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data

from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import LabelTable, Reason
from topoqa_train.training.data.audit import AuditedSplit, audit_tables
from topoqa_train.training.data.graphs import Graph, write_graph


def audited(labels: Any, root: Path) -> tuple[AuditedSplit[str], int]:
    """Return the usable models with the labels left out, and the steps reported."""
    steps: list[int] = []
    table = LabelTable(labels, "MODEL,dockq", {})
    index = GraphIndex.scan(root)
    found = audit_tables({"train": table}, index, steps.append, keep=lambda item: item.label.model)
    return found["train"], sum(steps)


def test_each_unusable_graph_has_its_reason(make_split: Any, make_graph: Any) -> None:
    labels, index = make_split({f"1ABC_{n}": 0.1 * n for n in range(5)})
    folder = index.root
    (folder / "1ABC_0.pt").unlink()
    (folder / "1ABC_1.pt").write_bytes(b"no graph")
    graph = make_graph(7)
    bad = graph.x.clone()
    bad[0, 0] = float("nan")
    data = Data(x=bad, edge_index=graph.edge_index, edge_attr=graph.edge_attr)
    torch.save(data, folder / "1ABC_2.pt")
    for sub in ("a", "b"):
        (folder / sub).mkdir()
        shutil.copy(folder / "1ABC_4.pt", folder / sub / "1ABC_3.pt")
    (folder / "1ABC_3.pt").unlink()
    found, steps = audited(labels, folder)
    left_out = {each.model: each for each in found.left_out}
    assert {model: each.reason for model, each in left_out.items()} == {
        "1ABC_0": Reason.NO_GRAPH,
        "1ABC_1": Reason.BROKEN_GRAPH,
        "1ABC_2": Reason.UNFIT_GRAPH,
        "1ABC_3": Reason.SEVERAL_GRAPHS,
    }
    assert (found.kept, steps) == (["1ABC_4"], 5)
    assert "1ABC_1.pt" in left_out["1ABC_1"].detail
    assert "NaN" in left_out["1ABC_2"].detail
    assert [each.line for each in found.left_out] == [2, 3, 4, 5]


def test_graphs_of_the_rarer_width_are_left_out(make_split: Any, make_graph: Any) -> None:
    labels, index = make_split({f"1ABC_{n}": 0.1 * n for n in range(5)})
    graph: Graph = make_graph(3)
    write_graph(index.root / "1ABC_1.pt", graph.x[:, :2], graph.edge_index, graph.edge_attr)
    found, _ = audited(labels, index.root)
    assert found.kept == ["1ABC_0", "1ABC_2", "1ABC_3", "1ABC_4"]
    (other,) = found.left_out
    assert (other.model, other.reason) == ("1ABC_1", Reason.OTHER_WIDTHS)
    assert "1ABC_1: 2 columns per node" in other.detail
    assert "4 graphs have" in other.detail
