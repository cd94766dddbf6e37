"""Topology of a residue's neighbourhood: persistent homology of its atoms, by element.

Han et al. 2025 (doi 10.1093/bib/bbaf083); persistence by gudhi. For each residue, all heavy atoms
within 8 A of its C-alpha, in seven selections by element, give 5 + 15 statistics each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from topoqa_graphs.structures import Structure

REACH = 8.0
LONGEST_DEATH = 8.0
SHORTEST_BAR = 0.01
SELECTIONS = ("C", "N", "O", "CN", "CO", "NO", "CNO")
STATISTICS = ("sum", "min", "max", "mean", "std")
COLUMNS = tuple(
    [f"f0_{selection}_death_{s}" for selection in SELECTIONS for s in STATISTICS]
    + [
        f"f1_{selection}_{what}_{s}"
        for selection in SELECTIONS
        for what in ("len", "birth", "death")
        for s in STATISTICS
    ]
)
# So that an atom at 8.000 A is at 8 A whatever the arithmetic; coordinates have three decimals.
TOLERANCE = 1e-9

Floats = NDArray[np.float64]


def topology(structure: Structure, residues: NDArray[np.int64]) -> Floats:
    """Return the 140 unscaled columns of residues that have a C-alpha: [len(residues), 140].

    Coordinates are taken in single precision, as in the published graphs: the shortest bars are
    cut at 0.01, and with all digits some of their minima differ in the fourth.
    """
    points = structure.coordinates
    letters = np.array([name[:1] for name in structure.atom_names])
    chosen = [np.isin(letters, list(selection)) for selection in SELECTIONS]
    single = points.astype(np.float32).astype(np.float64)
    centres = points[structure.ca_atom[residues]]
    near = cKDTree(points).query_ball_point(centres, REACH + TOLERANCE, return_sorted=True)
    bars: list[Floats] = []
    for atoms in near:
        around = np.array(atoms, dtype=np.int64)
        found = [persistence(single[around[wanted[around]]]) for wanted in chosen]
        bars += [deaths for deaths, _ in found]
        for _, loops in found:
            bars += [loops[:, 1] - loops[:, 0], loops[:, 0], loops[:, 1]]
    return statistics(bars).reshape(len(residues), len(COLUMNS))


def persistence(points: Floats) -> tuple[Floats, Floats]:
    """Bars of a cloud of points [n, 3] that count: deaths [k] in dimension 0, [m, 2] in 1.

    Dimension 0: Vietoris-Rips, filtration = distance (A); deaths up to 8 A.
    Dimension 1: alpha complex, filtration = squared circumradius (A^2).

    One Delaunay-Cech complex serves for both. Its bars are those of the alpha complex (Bauer &
    Edelsbrunner 2017, doi 10.1090/tran/6991: each collapses onto the other), and it takes a third
    less time, as the radius of a simplex does not depend on its neighbours. Its bars in dimension
    0 end with the edges of the minimum spanning tree, as those of Vietoris-Rips do, an edge of
    length d at (d / 2)^2.
    """
    import gudhi

    if len(points) < 2:
        return np.empty(0), np.empty((0, 2))
    # 'fast' does the arithmetic in double precision: nearer to exact than the default, which
    # stops at a relative 1e-5.
    complex_ = gudhi.DelaunayCechComplex(points=points, precision="fast")
    tree = complex_.create_simplex_tree()
    # Tetrahedra kill no loops: without them the loops are the same, found in half the time.
    tree.prune_above_dimension(2)
    tree.compute_persistence(homology_coeff_field=2)
    deaths = 2 * np.sqrt(_finite(tree.persistence_intervals_in_dimension(0))[:, 1])
    loops = _finite(tree.persistence_intervals_in_dimension(1))
    return (
        deaths[(deaths <= LONGEST_DEATH + TOLERANCE) & (deaths >= SHORTEST_BAR)],
        loops[loops[:, 1] - loops[:, 0] >= SHORTEST_BAR],
    )


def _finite(bars: Floats) -> Floats:
    bars = np.asarray(bars, dtype=np.float64).reshape(-1, 2)
    return bars[np.isfinite(bars[:, 1])]


def statistics(samples: Sequence[Floats]) -> Floats:
    """[len(samples), 5] the `STATISTICS` of each sample, std the population's; zeros for none."""
    sizes = np.array([len(sample) for sample in samples])
    rows = np.zeros((len(samples), len(STATISTICS)))
    some = sizes > 0
    if not some.any():
        return rows
    values = np.concatenate(samples)
    count = sizes[some]
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    total = np.add.reduceat(values, start)
    mean = total / count
    squares = np.add.reduceat((values - np.repeat(mean, count)) ** 2, start)
    least, most = np.minimum.reduceat(values, start), np.maximum.reduceat(values, start)
    rows[some] = np.stack([total, least, most, mean, np.sqrt(squares / count)], axis=1)
    return rows
