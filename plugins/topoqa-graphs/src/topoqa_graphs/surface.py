"""Accessible surface as DSSP counts it: points on spheres that no other atom covers.

Kabsch & Sander 1983 (doi 10.1002/bip.360221211) with the numbers of the DSSP program: its five
radii, its 401 points spread by the golden ratio, and whole square angstroms, as its output has.
Agrees with the published graphs to the last digit, which a surface by element radii does not.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from topoqa_graphs.structures import Structure

RADII = {"N": 1.65, "CA": 1.87, "C": 1.76, "O": 1.40}
SIDE_CHAIN_RADIUS = 1.80
PROBE_RADIUS = 1.40
POINTS = 401
# Square angstroms; Rost & Sander 1994, doi 10.1002/prot.340200303.
MAXIMA = {
    "ALA": 106, "ARG": 248, "ASN": 157, "ASP": 163, "CYS": 135, "GLN": 198, "GLU": 194, "GLY": 84,
    "HIS": 184, "ILE": 169, "LEU": 164, "LYS": 205, "MET": 188, "PHE": 197, "PRO": 136, "SER": 130,
    "THR": 142, "TRP": 227, "TYR": 222, "VAL": 142,
}  # fmt: skip

Floats = NDArray[np.float64]


def surface(structure: Structure, residues: NDArray[np.int64]) -> Floats:
    """Return the accessible surface of the given residues in the complex, whole A^2, [k].

    Every atom of the structure covers; only those of `residues` are counted.
    """
    reach = np.array([RADII.get(name, SIDE_CHAIN_RADIUS) for name in structure.atom_names])
    reach += PROBE_RADIUS
    points = structure.coordinates
    tree = cKDTree(points)
    free: Floats = np.zeros(len(structure.residues))
    atoms = np.flatnonzero(np.isin(structure.atom_residue, residues))
    near = tree.query_ball_point(points[atoms], reach[atoms] + reach.max())
    for atom, others in zip(atoms, near, strict=True):
        around = np.array([other for other in others if other != atom], dtype=np.int64)
        share = _uncovered(points[atom], reach[atom], points[around], reach[around])
        free[structure.atom_residue[atom]] += share * 4 * math.pi * reach[atom] ** 2
    return np.asarray(np.floor(free[residues] + 0.5))


def relative_surface(structure: Structure, residues: NDArray[np.int64]) -> Floats:
    """`surface` over the residue's maximum, at most 1; NaN where there is no maximum."""
    most = np.array([maximum(structure.residues[index].name) for index in residues])
    return np.asarray(np.minimum(surface(structure, residues) / most, 1.0))


def maximum(name: str) -> float:
    """Return the maximum surface; a modified amino acid has that of its parent."""
    if name in MAXIMA:
        return MAXIMA[name]
    import gemmi

    letter = gemmi.find_tabulated_residue(name).one_letter_code.upper().strip()
    parent = gemmi.expand_one_letter(letter, gemmi.ResidueKind.AA) if letter else None
    return MAXIMA.get(parent or "", math.nan)


def _sphere(points: int) -> Floats:
    """Points spread evenly over the unit sphere along a golden spiral, [points, 3]."""
    step = np.arange(points) - points // 2
    golden = (1 + math.sqrt(5)) / 2
    latitude = np.arcsin(2 * step / points)
    longitude = 2 * math.pi * np.fmod(step, golden) / golden
    return np.stack(
        [
            np.sin(longitude) * np.cos(latitude),
            np.cos(longitude) * np.cos(latitude),
            np.sin(latitude),
        ],
        axis=1,
    )


_SPHERE = _sphere(POINTS)


def _uncovered(centre: Floats, radius: float, others: Floats, reach: Floats) -> float:
    """Share of the sphere's points that lie in no other atom's sphere."""
    apart = others - centre
    # |radius * p - apart| < reach, solved for the product of p and apart.
    bound = (radius**2 + (apart**2).sum(axis=1) - reach**2) / (2 * radius)
    covered = (bound < _SPHERE @ apart.T).any(axis=1)
    return 1.0 - np.count_nonzero(covered) / POINTS
