"""Backbone angles and secondary structure as DSSP gives them (Kabsch & Sander 1983)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topoqa_graphs.structures import Structure

BACKBONE = ("N", "CA", "C", "O")
LONGEST_PEPTIDE_BOND = 2.5
UNDEFINED_ANGLE = 360.0
STATES = "HBEGITS "

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Backbone:
    """Residues with a complete backbone, in the structure's order.

    A stretch continues while C to N is at most 2.5 A within one chain.
    """

    residues: Ints  # [k] index into Structure.residues
    atoms: Ints  # [k, 4] N, CA, C, O
    stretch: Ints  # [k] number of the unbroken stretch
    phi: Floats  # [k] degrees, 360 where undefined
    psi: Floats  # [k]

    def row(self, count: int) -> Ints:
        """Return [count] the row of each residue, -1 where the backbone is incomplete."""
        rows = np.full(count, -1, dtype=np.int64)
        rows[self.residues] = np.arange(len(self.residues))
        return rows


def backbone(structure: Structure) -> Backbone:
    """Return the backbone with angles rounded to 0.1 degrees, the precision of DSSP's output."""
    found = np.full((len(structure.residues), 4), -1, dtype=np.int64)
    place = {name: column for column, name in enumerate(BACKBONE)}
    for atom, name in enumerate(structure.atom_names):
        if name in place:
            found[structure.atom_residue[atom], place[name]] = atom
    residues = np.flatnonzero((found >= 0).all(axis=1))
    atoms = found[residues]
    n, ca, c, _ = (structure.coordinates[atoms[:, column]] for column in range(4))
    chain = structure.residue_chain[residues]
    bonded = (chain[1:] == chain[:-1]) & (
        np.linalg.norm(c[:-1] - n[1:], axis=1) <= LONGEST_PEPTIDE_BOND
    )
    phi = np.full(len(residues), UNDEFINED_ANGLE)
    psi = np.full(len(residues), UNDEFINED_ANGLE)
    phi[1:][bonded] = np.round(_dihedral(c[:-1], n[1:], ca[1:], c[1:]), 1)[bonded]
    psi[:-1][bonded] = np.round(_dihedral(n[:-1], ca[:-1], c[:-1], n[1:]), 1)[bonded]
    stretch = np.concatenate([[0], np.cumsum(~bonded)])[: len(residues)]
    return Backbone(residues, atoms, stretch, phi, psi)


def secondary_structure(structure: Structure, whole: Backbone) -> Ints:
    """Return [k] the index into `STATES` of each residue of `whole`; the last one means none.

    mdtraj's implementation of DSSP; hydrogen bonds count between chains too.
    """
    import mdtraj

    if not len(whole.residues):
        return np.empty(0, dtype=np.int64)
    elements = (
        mdtraj.element.nitrogen,
        mdtraj.element.carbon,
        mdtraj.element.carbon,
        mdtraj.element.oxygen,
    )
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for row, index in enumerate(whole.residues):
        if row and whole.stretch[row] != whole.stretch[row - 1]:
            chain = topology.add_chain()
        residue = topology.add_residue(structure.residues[index].name, chain)
        for name, element in zip(BACKBONE, elements, strict=True):
            topology.add_atom(name, element, residue)
    nanometres = structure.coordinates[whole.atoms.ravel()][None] / 10
    states = mdtraj.compute_dssp(mdtraj.Trajectory(nanometres, topology), simplified=False)[0]
    none = len(STATES) - 1
    return np.array([none if state not in STATES else STATES.index(state) for state in states])


def _dihedral(a: Floats, b: Floats, c: Floats, d: Floats) -> Floats:
    """Return the dihedral angles of rows of points in degrees, -180 to 180.

    360 where points coincide and the angle is undefined.
    """
    axis = c - b
    length = np.linalg.norm(axis, axis=1, keepdims=True)
    axis = axis / np.where(length > 0, length, 1.0)
    before = _across(a - b, axis)
    after = _across(d - c, axis)
    sine = (np.cross(axis, before) * after).sum(axis=1)
    cosine = (before * after).sum(axis=1)
    defined = (length[:, 0] > 0) & before.any(axis=1) & after.any(axis=1)
    return np.where(defined, np.degrees(np.arctan2(sine, cosine)), UNDEFINED_ANGLE)


def _across(vectors: Floats, axis: Floats) -> Floats:
    """Return the part of each vector that is perpendicular to the axis."""
    return np.asarray(vectors - (vectors * axis).sum(axis=1, keepdims=True) * axis)
