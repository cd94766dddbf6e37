"""What a structure file holds, and what becomes of it."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topoqa_graphs import structures
from topoqa_graphs.structures import ResidueKey, Structure, model_name, read_structure, write_pdb
from topoqa_train.errors import DataError

Write = Callable[[str, str], Path]


def same(one: Structure, other: Structure) -> bool:
    """Whether two structures hold the same atoms at the same places, to 0.0005 A."""
    return (
        one.residues == other.residues
        and one.atom_names == other.atom_names
        and one.elements == other.elements
        and one.hydrogen_names == other.hydrogen_names
        and np.allclose(one.coordinates, other.coordinates, atol=5e-4)
        and np.allclose(one.hydrogen_coordinates, other.hydrogen_coordinates, atol=5e-4)
        and np.array_equal(one.atom_residue, other.atom_residue)
        and np.array_equal(one.hydrogen_residue, other.hydrogen_residue)
    )


def test_arrays_fit_together(make: Any, write: Write) -> None:
    found = read_structure(write("x.pdb", make.pdb(make.two_strands())))
    assert found.name == "x"
    assert found.chains == ("A", "B")
    assert len(found.residues) == 12
    assert len(found.atom_names) == len(found.elements) == len(found.coordinates) == 59
    assert np.bincount(found.atom_residue).tolist() == [5, 5, 5, 4, 5, 5, 5, 5, 5, 5, 5, 5]
    assert [found.atom_names[atom] for atom in found.ca_atom] == ["CA"] * 12
    assert found.residue_chain.tolist() == [0] * 6 + [1] * 6
    assert found.coordinates[found.ca_atom[1]].tolist() == [3.8, 0, 0]
    assert found.notes == (
        "9 residues with atoms missing: A 2 LEU, A 3 SER, A 5 LYS, A 6 VAL, B 1 GLU, B 2 TYR "
        "and 3 more",
    )


def test_residues_are_sorted_with_insertion_codes_after_their_number(
    make: Any, write: Write
) -> None:
    atoms = make.strand("B", ["GLY"] * 2, first=52) + make.strand("A", ["GLY"] * 4, first=51)
    order = [(52, "A"), (53, ""), (51, ""), (52, "")]
    atoms[8:] = [
        make.changed(atom, number=order[row // 4][0], insertion=order[row // 4][1])
        for row, atom in enumerate(atoms[8:])
    ]
    found = read_structure(write("x.pdb", make.pdb(atoms)))
    assert [str(key) for key in found.residues] == [
        "A 51 GLY",
        "A 52 GLY",
        "A 52A GLY",
        "A 53 GLY",
        "B 52 GLY",
        "B 53 GLY",
    ]
    assert "residues with insertion codes: A 52A GLY" in found.notes
    # The atoms went along: 52A was written first, at x = 0.
    assert found.coordinates[found.ca_atom[2]].tolist() == [0, 0, 0]


def test_of_alternate_locations_the_highest_occupancy_stays(make: Any, write: Write) -> None:
    atoms = make.strand("A", ["ALA", "ALA"])
    beta = atoms[4]
    atoms[4:5] = [
        make.changed(beta, altloc="A", occupancy=0.4),
        make.changed(beta, altloc="B", occupancy=0.6, xyz=(9.0, 9.0, 9.0)),
    ]
    found = read_structure(write("x.pdb", make.pdb(atoms)))
    assert found.atom_names[:5] == ("N", "CA", "C", "O", "CB")
    assert found.coordinates[4].tolist() == [9, 9, 9]
    assert found.notes == ("alternate locations, highest occupancy kept: A 1 ALA",)


def test_at_a_tie_all_atoms_come_from_one_conformer(make: Any, write: Write) -> None:
    n, ca, c, o, cb = make.strand("A", ["ALA"])
    far = {"xyz": (9.0, 9.0, 9.0), "altloc": "B"}
    # B leads by one atom; at CA and CB the two are even.
    atoms = [n, *(make.changed(atom, altloc="A", occupancy=0.5) for atom in (ca, cb)), c]
    atoms += [make.changed(atom, occupancy=0.5, **far) for atom in (ca, cb)]
    atoms += [make.changed(o, altloc="A", occupancy=0.3), make.changed(o, occupancy=0.7, **far)]
    found = read_structure(write("x.pdb", make.pdb(atoms)))
    chosen = dict(zip(found.atom_names, found.coordinates.tolist(), strict=True))
    assert chosen["CA"] == chosen["CB"] == chosen["O"] == [9, 9, 9]


def test_a_mixed_site_keeps_the_residue_with_the_higher_occupancy(make: Any, write: Write) -> None:
    serine = [make.changed(a, altloc="A", occupancy=0.3) for a in make.strand("A", ["SER"])]
    threonine = [make.changed(a, altloc="B", occupancy=0.7) for a in make.strand("A", ["THR"])]
    found = read_structure(write("x.pdb", make.pdb(serine + threonine)))
    assert found.residues == (ResidueKey("A", 1, "", "THR"),)
    assert "mixed sites, higher occupancy kept: A 1 THR (over SER)" in found.notes


@pytest.mark.parametrize("second", ["GLY", "ALA"])
def test_two_chains_under_one_name_are_an_error(make: Any, write: Write, second: str) -> None:
    path = write("x.pdb", make.pdb(make.strand("A", ["GLY"]) + make.strand("A", [second], y=6)))
    with pytest.raises(DataError, match="A 1 GLY") as caught:
        read_structure(path)
    assert str(path) in caught.value.message
    assert "Two chains under one name" in (caught.value.hint or "")


def test_an_atom_given_twice_at_one_place_is_taken_once(make: Any, write: Write) -> None:
    atoms = make.strand("A", ["GLY"])
    copies = [make.changed(a, xyz=(a.xyz[0] + 0.02, *a.xyz[1:]), occupancy=0.5) for a in atoms]
    found = read_structure(write("x.pdb", make.pdb(atoms + copies)))
    assert found.atom_names == ("N", "CA", "C", "O")
    assert found.coordinates[1].tolist() == [0, 0, 0]
    assert found.notes == ("atoms given twice, highest occupancy kept: A 1 GLY",)


def test_hetero_residues_are_left_out_and_counted(make: Any, write: Write) -> None:
    atoms = [
        *make.strand("A", ["GLY", "GLY"]),
        make.Atom("O", "HOH", "A", 101, (50, 0, 0), "O", record="HETATM"),
        make.Atom("O", "HOH", "A", 102, (60, 0, 0), "O", record="HETATM"),
        make.Atom("CA", "CA", "A", 103, (70, 0, 0), "Ca", record="HETATM"),
        make.Atom("CA", "MSE", "A", 3, (7.6, 0, 0), "C", record="HETATM"),
        make.Atom("P", "DA", "D", 1, (80, 0, 0), "P"),
    ]
    found = read_structure(write("x.pdb", make.pdb(atoms)))
    assert {key.name for key in found.residues} == {"GLY"}
    assert found.notes == (
        "hetero residues left out: CA x1, HOH x2",
        "modified amino acids (HETATM) left out: MSE x1",
        "residues that are no amino acids left out: DA x1",
    )


def test_residues_without_a_c_alpha_stay_and_are_named(make: Any, write: Write) -> None:
    atoms = [a for a in make.strand("A", ["GLY"] * 3) if (a.number, a.name) != (2, "CA")]
    found = read_structure(write("x.pdb", make.pdb(atoms)))
    assert len(found.residues) == 3
    assert found.ca_atom.tolist() == [1, -1, 8]
    assert "1 residue without C-alpha, never part of an interface: A 2 GLY" in found.notes
    assert "1 residue with atoms missing: A 2 GLY" in found.notes


@pytest.mark.parametrize("element", ["H", "D", None])
def test_hydrogens_and_deuterium_are_kept_apart(
    make: Any, write: Write, element: str | None
) -> None:
    names = ["H", "HA2", "1HB", "HG"] if element != "D" else ["D", "DA2"]
    heavy = make.strand("A", ["GLY"])
    light = [make.Atom(name, "GLY", "A", 1, (9, 9, i), element) for i, name in enumerate(names)]
    found = read_structure(write("x.pdb", make.pdb(heavy + light)))
    assert found.atom_names == ("N", "CA", "C", "O")
    assert found.hydrogen_names == tuple(names)
    assert found.hydrogen_residue.tolist() == [0] * len(names)
    assert found.notes == (f"{len(names)} hydrogens: counted in the histograms of edges only",)


def test_names_in_the_wrong_columns_are_no_metals(make: Any, write: Write) -> None:
    """`CA` from column 13 on is calcium to a parser, `CD` cadmium, `HG` mercury."""
    text = make.pdb([make.changed(a, element=None) for a in make.strand("A", ["ALA"])])
    shifted = "\n".join(
        f"{line[:12]}{line[12:16].strip():<4}{line[16:]}" for line in text.splitlines()
    )
    found = read_structure(write("x.pdb", shifted))
    assert found.elements == ("N", "C", "C", "O", "C")
    assert found.ca_atom.tolist() == [1]


def test_the_first_of_several_models_is_read(make: Any, write: Write) -> None:
    one, other = (make.pdb(make.strand("A", ["GLY"], y=y)).replace("END\n", "") for y in (0, 5))
    text = f"MODEL        1\n{one}ENDMDL\nMODEL        2\n{other}ENDMDL\nEND\n"
    found = read_structure(write("x.pdb", text))
    assert found.coordinates[1].tolist() == [0, 0, 0]
    assert found.notes == ("first of 2 models",)


def test_mmcif_and_pdb_give_the_same(make: Any, write: Write) -> None:
    atoms = make.two_strands()
    atoms[7] = make.changed(atoms[7], altloc="A", occupancy=0.4)
    atoms.insert(8, make.changed(atoms[7], altloc="B", occupancy=0.6, xyz=(1, 2, 3)))
    atoms = [make.changed(a, insertion="A") if a.number == 5 else a for a in atoms]
    atoms.append(make.Atom("HA2", "GLY", "A", 4, (1, 1, 1), "H"))
    atoms.append(make.Atom("O", "HOH", "A", 200, (9, 9, 9), "O", record="HETATM"))
    one = read_structure(write("x.pdb", make.pdb(atoms)))
    other = read_structure(write("x.cif", make.mmcif(atoms)))
    assert same(one, other)
    assert one.notes == other.notes
    assert len(one.notes) == 5


def test_long_chain_names_of_mmcif(make: Any, write: Write) -> None:
    atoms = [make.changed(a, chain={"A": "AA1", "B": "B-2"}[a.chain]) for a in make.two_strands()]
    found = read_structure(write("x.mmcif", make.mmcif(atoms)))
    assert found.chains == ("AA1", "B-2")
    assert str(found.residues[0]) == "AA1 1 ALA"


def test_mmcif_without_coordinates_for_an_atom(make: Any, write: Write) -> None:
    lines = make.mmcif(make.strand("A", ["ALA"])).splitlines()
    lines[-1] = lines[-1].replace("0.0 -0.9 -1.2", "? ? ?")
    found = read_structure(write("x.cif", "\n".join([*lines, ""])))
    assert found.atom_names == ("N", "CA", "C", "O")
    assert "1 atom without coordinates left out" in found.notes


@pytest.mark.parametrize("ending", [".pdb", ".ent", ".cif", ".mmcif", ".PDB"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_ending_plain_and_packed(
    make: Any, tmp_path: Path, ending: str, packed: bool
) -> None:
    text = make.mmcif if "cif" in ending else make.pdb
    content = text(make.two_strands()).encode()
    path = tmp_path / f"a.b{ending}{'.gz' if packed else ''}"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert len(read_structure(path).residues) == 12
    assert read_structure(path).name == model_name(path) == "a.b"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("x.pdb", b"", "no amino acids"),
        ("x.cif", b"", "no atoms"),
        ("x.cif", b"data_x\n_cell.length_a 1\n", "no atoms"),
        ("x.cif", b"hello", "can't be read as a structure"),
        ("x.cif", b"data_x\nloop_\n_atom_site.id\n_atom_site.Cartn_x\n1 2 3\n", "can't be read"),
        ("x.pdb", b"\x00\xff\xfe\n" * 500, "no amino acids"),
        ("x.pdb", b"ATOM      1  CA  GLY A   1      xx.787  89.105 166.956  1.00", ":1: no coord"),
        ("x.pdb", b"ATOM      1  CA  GLY A   1      26.787  8", "no coordinates"),
        ("x.pdb", b"ATOM      1  \xff\xff  GLY A   1      26.787  89.105 166.956  1.00", "x.pdb"),
        ("x.pdb.gz", b"no gzip", "not a whole gzip file"),
        ("x.pdb.gz", gzip.compress(random.Random(1).randbytes(999))[:-20], "not a whole gzip"),
        ("x.xyz", b"", "not a structure file by its name"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_structure(path)
    assert str(path) in caught.value.message
    assert expected in caught.value.message


def test_a_missing_file_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.pdb: can't be read"):
        read_structure(tmp_path / "gone.pdb")


@pytest.mark.parametrize("far", [2e4, -1e300])
def test_coordinates_that_no_structure_has_are_refused(make: Any, write: Write, far: float) -> None:
    first, *others = make.two_strands()
    text = make.mmcif([make.changed(first, xyz=(1.0, far, 2.0)), *others])
    with pytest.raises(DataError, match="10,000 A") as error:
        read_structure(write("x.cif", text))
    assert list(error.value.details) == ["first: A 1 ALA, atom N"]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("form", ["pdb", "mmcif"])
def test_damaged_files_never_crash(make: Any, tmp_path: Path, form: str, seed: int) -> None:
    text = bytearray(getattr(make, form)(make.two_strands()).encode())
    rng = random.Random(seed)
    messages: list[str] = []
    for _ in range(30):
        for _ in range(5):
            text[rng.randrange(len(text))] = rng.randrange(256)
        path = tmp_path / f"x.{form.replace('mm', '')}"
        path.write_bytes(bytes(text[: rng.randrange(len(text))] if rng.random() < 0.5 else text))
        try:
            read_structure(path)
        except DataError as error:
            messages.append(error.message)
    assert messages
    assert all(str(path) in message for message in messages)


def test_what_unpacks_to_too_much_is_refused(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.pdb.gz"
    path.write_bytes(gzip.compress(make.pdb(make.two_strands()).encode()))
    monkeypatch.setattr(structures, "LARGEST_TEXT", 1000)
    with pytest.raises(DataError, match="unpacks to more"):
        read_structure(path)


def test_what_is_written_reads_back_the_same(make: Any, write: Write, tmp_path: Path) -> None:
    atoms = make.two_strands()
    atoms = [make.changed(a, insertion="B") if a.number == 3 else a for a in atoms]
    atoms.append(make.Atom("HD11", "LEU", "A", 2, (1, 1, 1), "H"))
    atoms.append(make.Atom("SE", "MSE", "B", -7, (9, 9, 9), "Se"))
    found = read_structure(write("x.pdb", make.pdb(atoms)))
    for name in ("y.pdb", "y.pdb.gz"):
        write_pdb(found, tmp_path / name)
        assert same(found, read_structure(tmp_path / name))
    first = (tmp_path / "y.pdb.gz").read_bytes()
    write_pdb(found, tmp_path / "y.pdb.gz")
    assert (tmp_path / "y.pdb.gz").read_bytes() == first


def test_what_does_not_fit_into_a_pdb_file_is_refused(
    make: Any, write: Write, tmp_path: Path
) -> None:
    atoms = [make.changed(a, chain="AA") for a in make.strand("A", ["GLY"])]
    found = read_structure(write("x.cif", make.mmcif(atoms)))
    with pytest.raises(DataError, match="AA 1 GLY, atom N, does not fit"):
        write_pdb(found, tmp_path / "y.pdb")
    assert not (tmp_path / "y.pdb").exists()


def test_moving_turns_the_named_chains_alone(make: Any, write: Write) -> None:
    atoms = [*make.two_strands(), make.Atom("HA2", "GLY", "A", 4, (1, 2, 3), "H")]
    atoms.append(make.Atom("HA", "THR", "B", 6, (1, 2, 3), "H"))
    found = read_structure(write("x.pdb", make.pdb(atoms)))
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = found.moved(quarter, np.array([10.0, 0, 0]), ["B"])
    first = found.residue_chain[found.atom_residue] == 0
    assert np.array_equal(moved.coordinates[first], found.coordinates[first])
    x, y, z = found.coordinates[~first].T
    assert np.allclose(moved.coordinates[~first], np.stack([10 - y, x, z], axis=1))
    assert moved.hydrogen_coordinates.tolist() == [[1, 2, 3], [8, 1, 3]]
    with pytest.raises(DataError, match="no chain C"):
        found.moved(quarter, np.zeros(3), ["C"])
