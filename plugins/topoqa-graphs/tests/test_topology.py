"""Persistence of atoms around a residue, held against other ways to the same numbers."""

from __future__ import annotations

from pathlib import Path

import gudhi
import numpy as np
import pytest
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

from topoqa_graphs import topology
from topoqa_graphs.structures import Structure, read_structure
from topoqa_graphs.topology import COLUMNS, persistence, statistics

Floats = np.ndarray


def cloud(seed: int, count: int, side: float = 12.0) -> Floats:
    return np.random.default_rng(seed).uniform(0, side, (count, 3))


def rips_deaths(points: Floats) -> Floats:
    complex_ = gudhi.RipsComplex(points=points, max_edge_length=topology.LONGEST_DEATH)
    tree = complex_.create_simplex_tree(max_dimension=1)
    tree.compute_persistence(persistence_dim_max=True)
    deaths = tree.persistence_intervals_in_dimension(0)[:, 1]
    return np.sort(deaths[np.isfinite(deaths) & (deaths >= topology.SHORTEST_BAR)])


def alpha_loops(points: Floats) -> Floats:
    """The whole alpha complex in exact arithmetic, nothing left out."""
    tree = gudhi.AlphaComplex(points=points, precision="exact").create_simplex_tree()
    tree.compute_persistence()
    bars = tree.persistence_intervals_in_dimension(1)
    return bars[bars[:, 1] - bars[:, 0] >= topology.SHORTEST_BAR]


def by_birth(bars: Floats) -> Floats:
    return bars[np.lexsort(bars.T)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [2, 3, 5, 20, 90])
def test_dimension_0_is_rips_and_the_minimum_spanning_tree(seed: int, count: int) -> None:
    points = cloud(seed, count)
    deaths = np.sort(persistence(points)[0])
    assert np.allclose(deaths, rips_deaths(points), rtol=1e-12)
    tree = minimum_spanning_tree(squareform(pdist(points))).data
    assert np.allclose(deaths, np.sort(tree[tree <= topology.LONGEST_DEATH]), rtol=1e-12)


def test_deaths_beyond_8_do_not_count() -> None:
    line = np.array([[0.0, 0, 0], [3, 0, 0], [11, 0, 0], [19.001, 0, 0], [19.006, 0, 0]])
    assert np.allclose(np.sort(persistence(line)[0]), [3, 8])


@pytest.mark.parametrize("seed", range(6))
def test_dimension_1_is_the_alpha_complex(seed: int) -> None:
    points = cloud(seed, 60)
    loops = persistence(points)[1]
    assert len(loops) > 10
    assert np.allclose(by_birth(loops), by_birth(alpha_loops(points)), rtol=1e-9)


def test_a_square_by_hand() -> None:
    """Sides of 2 A: edges enter at 1^2, the square is filled at half the diagonal squared."""
    square = np.array([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])
    deaths, loops = persistence(square)
    assert np.allclose(deaths, [2, 2, 2])
    assert np.allclose(loops, [[1, 2]])


@pytest.mark.parametrize(
    "points",
    [np.empty((0, 3)), np.zeros((1, 3)), np.zeros((3, 3)), np.array([[0.0, 0, 0], [0.005, 0, 0]])],
)
def test_too_few_points_have_no_bars(points: Floats) -> None:
    deaths, loops = persistence(points)
    assert deaths.shape == (0,)
    assert loops.shape == (0, 2)


def test_doubled_points_count_once() -> None:
    points = cloud(3, 30)
    once, twice = persistence(points), persistence(np.vstack([points, points[:10]]))
    assert np.allclose(np.sort(once[0]), np.sort(twice[0]))
    assert np.allclose(by_birth(once[1]), by_birth(twice[1]))


def test_statistics_are_numpys_and_zero_for_nothing() -> None:
    rng = np.random.default_rng(0)
    samples = [rng.normal(size=size) for size in (3, 0, 1, 40, 0)]
    rows = statistics(samples)
    for row, sample in zip(rows, samples, strict=True):
        if len(sample):
            expected = [sample.sum(), sample.min(), sample.max(), sample.mean(), sample.std()]
            assert np.allclose(row, expected)
        else:
            assert not row.any()
    assert not statistics([np.empty(0)]).any()


def test_the_names_of_the_columns() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 140
    assert COLUMNS[0] == "f0_C_death_sum"
    assert COLUMNS[34] == "f0_CNO_death_std"
    assert COLUMNS[35] == "f1_C_len_sum"
    assert COLUMNS[139] == "f1_CNO_death_std"
    assert COLUMNS[35 + 3 * 15 + 5] == "f1_CN_birth_sum"


def points_only(points: Floats, names: list[str]) -> Structure:
    """One residue whose first atom is the C-alpha."""
    from topoqa_graphs.structures import ResidueKey

    return Structure(
        name="x",
        residues=(ResidueKey("A", 1, "", "ALA"),),
        atom_names=tuple(names),
        elements=tuple(name[0] for name in names),
        coordinates=points,
        atom_residue=np.zeros(len(points), dtype=np.int64),
    )


def test_selections_are_by_the_first_letter_within_8_angstroms() -> None:
    names = ["CA", "N", "O", "CB", "OXT", "SG", "ND1", "C"]
    places = [0, 1.5, -2, 4, 7, 1, 8.0, 8.001]
    points = np.array([[x, 0.0, 0.0] for x in places])
    row = dict(
        zip(COLUMNS, topology.topology(points_only(points, names), np.array([0]))[0], strict=True)
    )
    # C: 0 and 4 (8.001 is outside); N: 1.5 and 8; O: -2 and 7, 9 apart, so no bar.
    assert row["f0_C_death_sum"] == pytest.approx(4)
    assert row["f0_N_death_sum"] == pytest.approx(6.5)
    assert row["f0_O_death_sum"] == 0
    # All but sulphur: -2, 0, 1.5, 4, 7, 8.
    assert row["f0_CNO_death_sum"] == pytest.approx(10)
    assert row["f0_CNO_death_max"] == pytest.approx(3)
    assert row["f0_CNO_death_min"] == pytest.approx(1)
    assert row["f0_CNO_death_mean"] == pytest.approx(2)
    assert row["f0_CNO_death_std"] == pytest.approx(np.std([2, 1.5, 2.5, 3, 1]))
    assert not any(value for name, value in row.items() if name.startswith("f1"))


def test_statistics_of_loops_of_a_real_residue(natives: Path) -> None:
    structure = read_structure(natives / "2OOB.pdb.gz")
    residue = 40
    centre = structure.coordinates[structure.ca_atom[residue]]
    near = np.linalg.norm(structure.coordinates - centre, axis=1) <= 8
    wanted = near & np.array([name[0] in "CO" for name in structure.atom_names])
    points = structure.coordinates[wanted].astype(np.float32).astype(float)
    bars = alpha_loops(points)
    row = dict(zip(COLUMNS, topology.topology(structure, np.array([residue]))[0], strict=True))
    lengths = bars[:, 1] - bars[:, 0]
    for what, values in (("len", lengths), ("birth", bars[:, 0]), ("death", bars[:, 1])):
        assert row[f"f1_CO_{what}_sum"] == pytest.approx(values.sum(), rel=1e-9)
        assert row[f"f1_CO_{what}_min"] == pytest.approx(values.min(), rel=1e-9)
        assert row[f"f1_CO_{what}_max"] == pytest.approx(values.max(), rel=1e-9)
        assert row[f"f1_CO_{what}_mean"] == pytest.approx(values.mean(), rel=1e-9)
        assert row[f"f1_CO_{what}_std"] == pytest.approx(values.std(), rel=1e-9)
