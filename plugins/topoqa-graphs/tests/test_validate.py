"""Every way in which a folder of graphs can be wrong is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from topoqa_graphs.build import build_graphs, find_sources
from topoqa_graphs.partners import PartnerTable
from topoqa_graphs.validate import Validation, edge_errors, validate
from topoqa_train.api import write_graph
from topoqa_train.errors import RequestError

EDGES = np.array([[0, 1, 1, 2], [1, 0, 2, 1]])


def data(**changed: torch.Tensor) -> Data:
    tensors = {
        "x": torch.zeros(3, 5),
        "edge_index": torch.as_tensor(EDGES),
        "edge_attr": torch.zeros(4, 2),
    }
    return Data(**{**tensors, **changed})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good graphs of 5 and 2 columns."""
    for name in ("good_1", "good_2"):
        write_graph(tmp_path / f"{name}.pt", np.zeros((3, 5)), EDGES, np.zeros((4, 2)))
    return tmp_path


@pytest.fixture
def check(folder: Path, quiet: Any) -> Callable[[], Validation]:
    return lambda: validate(folder, show=quiet)


def found(validation: Validation) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for error in validation.errors:
        errors.setdefault(error.graph, []).append(f"{error.kind}: {error.text}")
    return errors


def test_good_graphs_have_no_errors(check: Callable[[], Validation], folder: Path) -> None:
    assert check() == Validation(folder, 2, {(5, 2): 2}, None, ())


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"x": torch.zeros(0, 5)}, "unfit: no nodes"),
        ({"x": torch.zeros(3)}, "unfit: x has the shape [3]"),
        ({"x": torch.full((3, 5), float("nan"))}, "unfit: x holds 15 NaN"),
        ({"x": torch.zeros(3, 5, dtype=torch.float64)}, "unfit: x is float64"),
        ({"edge_attr": torch.full((4, 2), float("inf"))}, "unfit: edge_attr holds 8 NaN"),
        ({"edge_attr": torch.zeros(3, 2)}, "unfit: 4 edges in edge_index, 3 in edge_attr"),
        ({"edge_index": torch.as_tensor(EDGES).int()}, "unfit: edge_index is int32"),
        ({"edge_index": torch.as_tensor(EDGES) + 1}, "unfit: edge_index names node 3"),
        ({"edge_index": torch.as_tensor(EDGES) - 1}, "unfit: edge_index names node -1"),
        (
            {"edge_index": torch.tensor([[0, 1, 1, 0], [1, 0, 2, 2]])},
            "edges: 2 edges in one direction only",
        ),
        (
            {"edge_index": torch.tensor([[0, 1, 0, 1], [1, 0, 1, 0]])},
            "edges: 2 duplicate edges",
        ),
        (
            {"edge_index": torch.tensor([[0, 1, 2, 2], [1, 0, 2, 2]])},
            "edges: 2 edges lead from a node to itself",
        ),
        (
            {"edge_index": torch.zeros(2, 0, dtype=torch.int64), "edge_attr": torch.zeros(0, 2)},
            "edges: no edges",
        ),
        (
            {"x": torch.zeros(3, 6)},
            "width: 6 columns per node and 2 per edge; 2 graphs have 5 and 2",
        ),
    ],
)
def test_a_bad_graph_is_found(
    check: Callable[[], Validation],
    folder: Path,
    changed: dict[str, torch.Tensor],
    expected: str,
) -> None:
    torch.save(data(**changed), folder / "bad.pt")
    errors = found(check())
    assert list(errors) == ["bad"]
    assert any(expected in text for text in errors["bad"])


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04"])
def test_a_broken_file_is_found(
    check: Callable[[], Validation], folder: Path, content: bytes
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub/bad.pt").write_bytes(content)
    (folder / ".good_1.pt.123.tmp.pt").write_bytes(b"hidden")
    validation = check()
    assert validation.graphs == 3
    assert list(found(validation)) == ["sub/bad"]
    assert found(validation)["sub/bad"][0].startswith("broken: ")


def test_a_truncated_graph_is_found(check: Callable[[], Validation], folder: Path) -> None:
    content = (folder / "good_1.pt").read_bytes()
    (folder / "cut.pt").write_bytes(content[: len(content) // 2])
    assert list(found(check())) == ["cut"]


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("ran",))


def test_a_file_that_would_run_code_is_broken_and_does_not_run(
    check: Callable[[], Validation], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"x": Evil()}, folder / "evil.pt")
    assert found(check())["evil"][0].startswith("broken: ")
    assert capsys.readouterr().out == ""


def entry(**changed: Any) -> dict[str, Any]:
    edges = {"feature_dim": 2, "edge_feature_variant": "v"}
    return {"edge_metadata": edges, "node_feature_columns": list("abcde"), **changed}


def put(folder: Path, **entries: Any) -> None:
    (folder / "graph_metadata.json").write_text(json.dumps(entries))


def test_metadata_that_agree(check: Callable[[], Validation], folder: Path) -> None:
    put(folder, good_1=entry(residues=["a", "b", "c"]), good_2=entry())
    assert check().errors == ()
    assert check().metadata == folder / "graph_metadata.json"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"node_feature_columns": ["a"]}, "node_feature_columns has 1 names, the graph 5 columns"),
        ({"edge_metadata": {"feature_dim": 11, "edge_feature_variant": "v"}}, "feature_dim is 11"),
        ({"residues": ["a"]}, "it names 1 residues, the graph has 3 nodes"),
    ],
)
def test_metadata_that_disagree(
    check: Callable[[], Validation], folder: Path, changed: dict[str, Any], expected: str
) -> None:
    put(folder, good_1=entry(**changed), good_2=entry())
    errors = found(check())
    assert list(errors) == ["good_1"]
    assert f"metadata: {expected}" in errors["good_1"][0] or expected in errors["good_1"][0]


def test_metadata_of_other_graphs(check: Callable[[], Validation], folder: Path) -> None:
    put(folder, good_1=entry(), gone=entry())
    errors = found(check())
    assert errors["gone"] == ["missing: graph_metadata.json lists it, but it does not exist"]
    assert errors["good_2"] == ["metadata: graph_metadata.json has no entry for it"]


def test_metadata_of_two_variants(check: Callable[[], Validation], folder: Path) -> None:
    other = {"feature_dim": 2, "edge_feature_variant": "w"}
    put(folder, good_1=entry(), good_2=entry(edge_metadata=other))
    assert found(check()) == {"": ["metadata: edge features of 2 variants: 1 of v, 1 of w"]}


@pytest.mark.parametrize("name", ["graph_metadata.json", "graph_builder_summary.json"])
@pytest.mark.parametrize("content", ["{", "[]"])
def test_files_beside_the_graphs_that_are_no_json_objects(
    check: Callable[[], Validation], folder: Path, name: str, content: str
) -> None:
    (folder / name).write_text(content)
    (text,) = found(check())[""]
    assert name in text


def test_a_summary_without_modules(check: Callable[[], Validation], folder: Path) -> None:
    (folder / "graph_builder_summary.json").write_text("{}")
    assert found(check()) == {"": ["metadata: graph_builder_summary.json has no entry modules"]}


def test_what_the_builder_builds_is_valid(
    make: Any, write: Callable[[str, str], Path], tmp_path: Path, quiet: Any
) -> None:
    write("s/T1_0.pdb", make.pdb(make.two_strands()))
    write("s/T2/a.pdb", make.pdb(make.two_strands(y=6)))
    sources, _ = find_sources(tmp_path / "s", PartnerTable(), None)
    build_graphs(sources, tmp_path / "out", show=quiet)
    for folder in (tmp_path / "out", tmp_path / "out" / "graph_data"):
        validation = validate(folder, show=quiet)
        assert validation.errors == ()
        assert validation.graphs == 2
        assert validation.widths == {(172, 11): 2}
        assert validation.metadata == tmp_path / "out" / "graph_metadata.json"


def test_nothing_to_validate(tmp_path: Path, quiet: Any) -> None:
    with pytest.raises(RequestError, match="no graphs in it"):
        validate(tmp_path, show=quiet)
    with pytest.raises(RequestError, match="no such folder"):
        validate(tmp_path / "gone", show=quiet)


def test_edges_in_both_directions_are_fine() -> None:
    assert edge_errors(EDGES, 3) == []
    assert edge_errors(EDGES[:, ::2], 3) == ["2 edges in one direction only"]
