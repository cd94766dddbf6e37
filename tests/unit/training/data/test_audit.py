from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Label, LeftOut, Reason
from topoqa_train.training.data.audit import LabelledGraph, differing_widths, read_labelled
from topoqa_train.training.data.graphs import Graph, write_graph


def read_all(make_split: Any, damage: Any) -> tuple[dict[str, LabelledGraph | LeftOut], int]:
    labels, index = make_split({f"1ABC_{n}": 0.1 * n for n in range(5)})
    damage(index.root)
    steps: list[int] = []
    found = list(read_labelled(labels.rows, GraphIndex.scan(index.root), steps.append))
    assert [row.model for row in labels.rows] == [
        one.model if isinstance(one, LeftOut) else one.label.model for one in found
    ]
    return {row.model: one for row, one in zip(labels.rows, found, strict=True)}, sum(steps)


def test_each_unusable_graph_has_its_reason(make_split: Any, make_graph: Any) -> None:
    def damage(folder: Path) -> None:
        (folder / "1ABC_0.pt").unlink()
        (folder / "1ABC_1.pt").write_bytes(b"no graph")
        graph = make_graph(7)
        bad = graph.x.clone()
        bad[0, 0] = float("nan")
        import torch
        from torch_geometric.data import Data

        data = Data(x=bad, edge_index=graph.edge_index, edge_attr=graph.edge_attr)
        torch.save(data, folder / "1ABC_2.pt")
        for sub in ("a", "b"):
            (folder / sub).mkdir()
            shutil.copy(folder / "1ABC_4.pt", folder / sub / "1ABC_3.pt")
        (folder / "1ABC_3.pt").unlink()

    found, steps = read_all(make_split, damage)
    reasons = {model: getattr(one, "reason", None) for model, one in found.items()}
    assert reasons == {
        "1ABC_0": Reason.NO_GRAPH,
        "1ABC_1": Reason.BROKEN_GRAPH,
        "1ABC_2": Reason.UNFIT_GRAPH,
        "1ABC_3": Reason.SEVERAL_GRAPHS,
        "1ABC_4": None,
    }
    assert steps == 5
    assert "1ABC_1.pt" in found["1ABC_1"].detail
    assert "NaN" in found["1ABC_2"].detail
    assert found["1ABC_1"].line == 3


def test_the_fewer_widths_are_the_differing_widths(make_split: Any, make_graph: Any) -> None:
    def damage(folder: Path) -> None:
        graph: Graph = make_graph(3)
        write_graph(folder / "1ABC_1.pt", graph.x[:, :2], graph.edge_index, graph.edge_attr)

    found, _ = read_all(make_split, damage)
    differing = differing_widths([(one.label, one.widths) for one in found.values()])
    assert list(differing) == ["1ABC_1"]
    assert differing["1ABC_1"].reason == Reason.OTHER_WIDTHS
    assert "1ABC_1: 2 columns per node" in differing["1ABC_1"].detail
    assert "4 graphs have" in differing["1ABC_1"].detail


def test_equal_widths_are_not_reported() -> None:
    labels = [Label(f"a_{n}", 0.5, "a", n) for n in range(3)]
    assert differing_widths([(label, (3, 2)) for label in labels]) == {}
    assert differing_widths([]) == {}
