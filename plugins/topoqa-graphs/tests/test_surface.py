"""Accessible surface: spheres whose free area is known, and a whole protein."""

from __future__ import annotations

import math
from pathlib import Path

import mdtraj
import numpy as np
import pytest

from topoqa_graphs import surface
from topoqa_graphs.structures import ResidueKey, Structure, read_structure
from topoqa_graphs.surface import relative_surface

REACH = 1.87 + 1.40


def atoms(*places: tuple[float, float, float], name: str = "CA", residue: str = "GLY") -> Structure:
    """Each atom a residue of its own."""
    count = len(places)
    return Structure(
        name="x",
        residues=tuple(ResidueKey("A", number, "", residue) for number in range(count)),
        atom_names=(name,) * count,
        elements=(name[0],) * count,
        coordinates=np.array(places, dtype=float),
        atom_residue=np.arange(count),
    )


def area(structure: Structure, residue: int = 0) -> float:
    return float(surface.surface(structure, np.array([residue]))[0])


@pytest.mark.parametrize(
    ("name", "radius"), [("CA", 1.87), ("N", 1.65), ("C", 1.76), ("O", 1.4), ("SG", 1.8)]
)
def test_a_lone_atom_is_a_whole_sphere(name: str, radius: float) -> None:
    expected = round(4 * math.pi * (radius + 1.4) ** 2)
    assert area(atoms((1, 2, 3), name=name)) == expected


@pytest.mark.parametrize("apart", [1.0, 2.5, 4.0, 6.0])
def test_two_atoms_hide_a_cap_of_each_other(apart: float) -> None:
    """Of equal spheres at distance d the share (1 - d / 2R) / 2 is hidden."""
    free = 1 - (1 - apart / (2 * REACH)) / 2
    expected = 4 * math.pi * REACH**2 * free
    assert area(atoms((0, 0, 0), (apart, 0, 0))) == pytest.approx(expected, rel=0.01)


def test_atoms_out_of_reach_do_not_matter() -> None:
    assert area(atoms((0, 0, 0), (2 * REACH + 0.01, 0, 0))) == area(atoms((0, 0, 0)))


def test_a_buried_atom_has_none() -> None:
    around = [
        (2.0 * x, 2.0 * y, 2.0 * z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)
    ]
    structure = atoms((0, 0, 0), *(place for place in around if any(place)))
    assert area(structure) == 0


def test_relative_surface_is_capped_and_needs_a_maximum() -> None:
    assert relative_surface(atoms((0, 0, 0), residue="GLY"), np.array([0])).tolist() == [1.0]
    trp = relative_surface(atoms((0, 0, 0), residue="TRP"), np.array([0]))
    assert trp.tolist() == [round(4 * math.pi * REACH**2) / 227]
    assert np.isnan(relative_surface(atoms((0, 0, 0), residue="UNK"), np.array([0]))).all()
    assert surface.maximum("MSE") == surface.maximum("MET") == 188


def test_a_protein_agrees_with_mdtraj_given_the_same_radii(natives: Path) -> None:
    """mdtraj takes radii by element alone, so elements represent DSSP's kinds of atoms."""
    structure = read_structure(natives / "2OOB.pdb.gz")
    stand_in = {"N": "N", "CA": "C", "C": "B", "O": "O"}
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    residues = [topology.add_residue("ALA", chain) for _ in structure.residues]
    for name, owner in zip(structure.atom_names, structure.atom_residue, strict=True):
        element = mdtraj.element.get_by_symbol(stand_in.get(name, "S"))
        topology.add_atom(name, element, residues[owner])
    trajectory = mdtraj.Trajectory(structure.coordinates[None] / 10, topology)
    radii = {stand_in[name]: radius / 10 for name, radius in surface.RADII.items()}
    theirs = (
        100 * mdtraj.shrake_rupley(trajectory, mode="residue", change_radii={**radii, "S": 0.18})[0]
    )
    ours = surface.surface(structure, np.arange(len(structure.residues)))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    assert np.abs(ours - theirs).max() < 6
    assert ours.sum() == pytest.approx(theirs.sum(), rel=0.005)
