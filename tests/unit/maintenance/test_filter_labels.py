from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from topoqa_train import api
from topoqa_train.errors import DataError, RequestError
from topoqa_train.labels.label_file import Reason
from topoqa_train.maintenance import filter_labels
from topoqa_train.testing.datasets import quiet


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `graphs build` leaves it, less one graph, with one that is broken."""
    folder = tmp_path_factory.mktemp("built")
    rng = np.random.default_rng(1)
    for number in (0, 2, 3):
        x, edges = rng.random((4, 3), dtype=np.float32), np.array([[0, 1], [1, 0]])
        path = folder / "graph_data" / f"1ABC_{number}.pt"
        path.parent.mkdir(exist_ok=True)
        api.write_graph(path, x, edges, rng.random((2, 2), dtype=np.float32))
    (folder / "graph_data" / "1ABC_4.pt").write_bytes(b"no graph")
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    rows = [f'1ABC_{number},{number / 10},"x, {number}"' for number in (3, 0, 1, 2, 4)]
    path.write_text("\n".join(["MODEL,dockq,note", *rows, "1ABC_9,,none"]) + "\n")
    return path


def test_valid_rows_keep_their_columns_and_order(built: Path, labels: Path) -> None:
    out = labels.parent / "new.csv"
    report = filter_labels.filter_labels(labels, built, out, quiet)
    assert out.read_text() == (
        'MODEL,dockq,note\n1ABC_3,0.3,"x, 3"\n1ABC_0,0.0,"x, 0"\n1ABC_2,0.2,"x, 2"\n'
    )
    assert [(item.model, item.line, item.reason) for item in report.left_out] == [
        ("1ABC_1", 4, Reason.NO_GRAPH),
        ("1ABC_4", 6, Reason.BROKEN_GRAPH),
        ("", 7, Reason.NO_DOCKQ),
    ]
    assert (report.kept, report.total) == (3, 6)
    document = filter_labels.to_document(report)
    assert json.loads(json.dumps(document)) == document
    assert document["left_out"][2] == {
        "model": None,
        "line": 7,
        "reason": "no dockq",
        "detail": None,
    }


def test_rejects_have_line_and_reason(built: Path, labels: Path) -> None:
    out, rejects = labels.parent / "new.csv", labels.parent / "bad.csv"
    filter_labels.filter_labels(labels, built / "graph_data", out, quiet, rejects=rejects)
    rows = list(csv.DictReader(rejects.open(newline="")))
    assert [(row["LINE"], row["REASON"].split(":")[0], row["MODEL"]) for row in rows] == [
        ("4", "no graph", "1ABC_1"),
        ("6", "broken graph", "1ABC_4"),
        ("7", "no dockq", "1ABC_9"),
    ]
    assert rows[0]["note"] == "x, 1"


def test_nothing_is_overwritten_without_force(built: Path, labels: Path) -> None:
    out = labels.parent / "new.csv"
    out.write_text("mine")
    with pytest.raises(RequestError, match="exists already"):
        filter_labels.filter_labels(labels, built, out, quiet)
    assert out.read_text() == "mine"
    filter_labels.filter_labels(labels, built, out, quiet, force=True)
    assert out.read_text().startswith("MODEL,")


def test_the_source_is_never_written(built: Path, labels: Path) -> None:
    before = labels.read_text()
    same = labels.parent / "link.csv"
    same.symlink_to(labels)
    for out in (labels, same):
        with pytest.raises(RequestError, match="the file that is read"):
            filter_labels.filter_labels(labels, built, out, quiet, force=True)
    assert labels.read_text() == before


def test_wrong_requests(built: Path, labels: Path) -> None:
    out = labels.parent / "new.csv"
    with pytest.raises(DataError, match="there is no label file"):
        filter_labels.filter_labels(labels.parent / "no.csv", built, out, quiet)
    with pytest.raises(DataError, match="there is no folder of graphs"):
        filter_labels.filter_labels(labels, labels.parent / "no", out, quiet)
    with pytest.raises(RequestError, match="there is no folder"):
        filter_labels.filter_labels(labels, built, labels.parent / "no" / "new.csv", quiet)
    with pytest.raises(RequestError, match="both --out and --rejects"):
        filter_labels.filter_labels(labels, built, out, quiet, rejects=out)
    assert not out.exists()


def test_without_a_valid_label_nothing_is_written(built: Path, labels: Path) -> None:
    labels.write_text("MODEL,dockq\n9ZZZ_1,0.5\n9ZZZ_2,\n")
    out = labels.parent / "new.csv"
    with pytest.raises(DataError, match="no label of") as caught:
        filter_labels.filter_labels(labels, built, out, quiet)
    assert caught.value.details == ("no graph: 1", "no dockq: 1")
    assert not out.exists()
