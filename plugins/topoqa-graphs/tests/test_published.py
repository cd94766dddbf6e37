"""Agreement with the graphs that the published code made (36 of them have their structures)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from topoqa_graphs.features import GraphArrays, build_graph
from topoqa_graphs.structures import read_structure
from topoqa_train.api import read_graph

pytestmark = pytest.mark.peer

TOLERANCE = 1e-5
BASIC = 32


@pytest.fixture(scope="module")
def pairs(published: Path) -> list[tuple[GraphArrays, np.ndarray, np.ndarray, np.ndarray]]:
    found = []
    for path in sorted((published / "graph_data").glob("*.pt")):
        decoy = published / "dockq" / f"{path.stem}.pdb.gz"
        if decoy.is_file():
            theirs = read_graph(path)
            ours = build_graph(read_structure(decoy), compat=True)
            arrays = (theirs.x, theirs.edge_index, theirs.edge_attr)
            found.append((ours, *(array.numpy() for array in arrays)))
    assert len(found) == 36
    return found


def test_edges(pairs: list[tuple[GraphArrays, ...]]) -> None:
    for ours, _, index, attributes in pairs:
        assert np.array_equal(ours.edge_index, index)
        assert np.abs(ours.edge_attr - attributes).max() < TOLERANCE


def test_topological_columns(pairs: list[tuple[GraphArrays, ...]]) -> None:
    worst = max(np.abs(ours.x[:, BASIC:] - x[:, BASIC:]).max() for ours, x, _, _ in pairs)
    assert worst < TOLERANCE


def test_amino_acids(pairs: list[tuple[GraphArrays, ...]]) -> None:
    assert all(np.array_equal(ours.x[:, 11:BASIC], x[:, 11:BASIC]) for ours, x, _, _ in pairs)


def test_surface_and_secondary_structure(pairs: list[tuple[GraphArrays, ...]]) -> None:
    """Another program made them; on these decoys it is DSSP to the last digit."""
    for ours, x, _, _ in pairs:
        assert np.abs(ours.x[:, 0] - x[:, 0]).max() < TOLERANCE
        assert np.array_equal(ours.x[:, 3:11], x[:, 3:11])


def test_angles(pairs: list[tuple[GraphArrays, ...]]) -> None:
    """DSSP rounds to 0.1 degrees: at a rounding boundary this can differ by one step."""
    differences = np.concatenate([np.abs(ours.x[:, 1:3] - x[:, 1:3]) for ours, x, _, _ in pairs])
    assert differences.max() < 1.001 * 0.1 / 360 / 0.5
    assert (differences > TOLERANCE).sum() <= 2
