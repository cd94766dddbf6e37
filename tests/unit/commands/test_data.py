from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topoqa_train import api


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two labels, one of which has a graph."""
    (tmp_path / "g").mkdir()
    api.write_graph(
        tmp_path / "g" / "1ABC_0.pt",
        np.ones((3, 4), np.float32),
        np.array([[0, 1], [1, 0]]),
        np.ones((2, 2), np.float32),
    )
    (tmp_path / "labels.csv").write_text("MODEL,dockq\n1ABC_0,0.5\n1ABC_1,0.25\n")
    (tmp_path / "c.yaml").write_text(
        "paths: {graph: g, train_labels: labels.csv, val_labels: labels.csv}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILTER = ("data", "filter", "labels.csv", "--graphs", "g", "--out", "new.csv")


def test_filter(typed: Any, here: Path) -> None:
    status, out, _ = typed(*FILTER, "--rejects", "bad.csv")
    assert status == 0
    assert out.splitlines() == [
        "new.csv: 1 of 2 rows kept",
        "  no graph: 1  (1ABC_1)",
        "bad.csv: the rejected rows",
    ]
    assert (here / "new.csv").read_text() == "MODEL,dockq\n1ABC_0,0.5\n"
    assert typed(*FILTER)[0] == 2
    status, out, _ = typed(*FILTER, "--force", "--json")
    assert (status, json.loads(out)["kept"]) == (0, 1)


@pytest.mark.parametrize(
    "arguments", [("-c", "c.yaml"), ("--graphs", "g", "--labels", "labels.csv")]
)
def test_stats(typed: Any, here: Path, arguments: tuple[str, ...]) -> None:
    status, out, _ = typed("data", "stats", *arguments, "--json", "--batch-size", "3")
    document = json.loads(out)
    assert status == 0
    assert document["batch"]["batch_size"] == 3
    assert {part["decoys"] for part in document["splits"].values()} == {1}
    status, out, _ = typed("data", "stats", *arguments)
    assert status == 0
    assert "4 columns per node, 2 per edge" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("stats",), "give --config, or --graphs with --labels"),
        (("stats", "-c", "c.yaml", "--graphs", "g"), "give --config, or --graphs with --labels"),
        (("stats", "-c", "c.yaml", "--labels", "labels.csv"), "--labels goes with --graphs"),
        (("stats", "--graphs", "g"), "name a label file"),
        (("stats", "--graphs", "g", "--labels", "labels.csv", "-o", "a=1"), "-o goes with"),
        (("stats", "-c", "none.yaml"), "does not exist"),
        (("stats", "-c", "c.yaml", "--batch-size", "0"), "--batch-size"),
        (("filter", "none.csv", "--graphs", "g", "--out", "x.csv"), "there is no label file"),
        (("filter", "labels.csv", "--graphs", "g"), "--out"),
    ],
)
def test_wrong_requests(typed: Any, here: Path, arguments: tuple[str, ...], words: str) -> None:
    status, out, err = typed("data", *arguments)
    assert (status, out) == (2, "")
    assert words in err
