"""Backbone angles and secondary structure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest

from topoqa_graphs.backbone import STATES, backbone, secondary_structure
from topoqa_graphs.structures import Structure, read_structure

Write = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def ubiquitin(natives: Path) -> Structure:
    """2OOB: chain A a UBA domain of three helices, chain B ubiquitin."""
    return read_structure(natives / "2OOB.pdb.gz")


def test_angles_are_mdtrajs_to_a_tenth_of_a_degree(ubiquitin: Structure, natives: Path) -> None:
    found = backbone(ubiquitin)
    trajectory = mdtraj.load_pdb(str(natives / "2OOB.pdb.gz"), standard_names=False)
    _, phi = mdtraj.compute_phi(trajectory)
    _, psi = mdtraj.compute_psi(trajectory)
    # mdtraj gives the defined ones alone; ours are 360 at the ends of the two chains.
    for ours, theirs in ((found.phi, phi), (found.psi, psi)):
        defined = ours != 360
        assert np.count_nonzero(~defined) == 2
        assert np.abs(ours[defined] - np.degrees(theirs[0])).max() < 0.06
        assert np.allclose(ours, np.round(ours, 1))
    assert found.phi[0] == found.psi[-1] == 360


def test_a_gap_breaks_the_chain(make: Any, write: Write) -> None:
    atoms = make.strand("A", ["ALA"] * 6)
    atoms = [
        a if a.number < 4 else make.changed(a, xyz=(a.xyz[0] + 1.4, *a.xyz[1:])) for a in atoms
    ]
    found = backbone(read_structure(write("x.pdb", make.pdb(atoms))))
    assert found.stretch.tolist() == [0, 0, 0, 1, 1, 1]
    assert (found.phi == 360).tolist() == [True, False, False, True, False, False]
    assert (found.psi == 360).tolist() == [False, False, True, False, False, True]


def test_numbering_does_not_break_the_chain(make: Any, write: Write) -> None:
    atoms = [make.changed(a, number=a.number * 10) for a in make.strand("A", ["ALA"] * 3)]
    assert backbone(read_structure(write("x.pdb", make.pdb(atoms)))).stretch.tolist() == [0, 0, 0]


@pytest.mark.parametrize("missing", ["N", "CA", "C", "O"])
def test_a_residue_without_a_whole_backbone_is_not_in_it(
    make: Any, write: Write, missing: str
) -> None:
    atoms = [a for a in make.strand("A", ["ALA"] * 4) if (a.number, a.name) != (2, missing)]
    found = backbone(read_structure(write("x.pdb", make.pdb(atoms))))
    assert found.residues.tolist() == [0, 2, 3]
    assert found.row(4).tolist() == [0, -1, 1, 2]
    assert found.stretch.tolist() == [0, 1, 1]


def test_an_angle_about_a_bond_of_no_length_is_undefined(make: Any, write: Write) -> None:
    atoms = make.strand("A", ["ALA"] * 4)
    place = next(a.xyz for a in atoms if (a.number, a.name) == (2, "N"))
    atoms = [make.changed(a, xyz=place) if (a.number, a.name) == (2, "CA") else a for a in atoms]
    found = backbone(read_structure(write("x.pdb", make.pdb(atoms))))
    assert (found.phi == 360).tolist() == [True, True, False, False]
    assert (found.psi == 360).tolist() == [False, True, False, True]


def test_secondary_structure_of_ubiquitin(ubiquitin: Structure) -> None:
    whole = backbone(ubiquitin)
    states = secondary_structure(ubiquitin, whole)
    text = {
        ubiquitin.residues[index].number: STATES[state]
        for index, state in zip(whole.residues, states, strict=True)
        if ubiquitin.residues[index].chain == "B"
    }
    first = min(text)
    assert "".join(text[first + offset] for offset in range(22, 33)) == "HHHHHHHHHHH"
    assert "".join(text[first + offset] for offset in (3, 4, 11, 12, 66, 67)) == "EEEEEE"


def test_nothing_has_no_secondary_structure(make: Any, write: Write) -> None:
    found = read_structure(write("x.pdb", make.pdb(make.strand("A", ["ALA"])[:2])))
    whole = backbone(found)
    assert len(whole.residues) == len(secondary_structure(found, whole)) == 0
