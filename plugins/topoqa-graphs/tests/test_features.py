"""The arrays of a graph, held against the definition by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from topoqa_graphs.backbone import backbone
from topoqa_graphs.features import (
    AMINO_ACIDS,
    BANDS,
    EDGE_COLUMNS,
    NODE_COLUMNS,
    GraphArrays,
    build_graph,
    histogram,
    min_max,
    parameters,
)
from topoqa_graphs.partners import parse_partners
from topoqa_graphs.structures import Structure, read_structure
from topoqa_train.errors import DataError

Write = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def structure(natives: Path) -> Structure:
    return read_structure(natives / "2OOB.pdb.gz")


@pytest.fixture(scope="module")
def graph(structure: Structure) -> GraphArrays:
    return build_graph(structure)


@pytest.mark.parametrize(
    ("distance", "band"),
    [(0.0, None), (0.999, None), (1.0, 0), (1.999, 0), (2.0, 1), (5.0, 4), (9.999, 8), (250.0, 9)],
)
def test_bins_hold_their_lower_edge(distance: float, band: int | None) -> None:
    expected = [0.0] * 10
    if band is not None:
        expected[band] = 1.0
    assert histogram(np.array([[distance]])).tolist() == expected
    assert histogram(np.array([[10.0]])).tolist() == [0] * 9 + [1]


def test_bins_do_not_depend_on_rounding() -> None:
    """6.1 - 1.1, 0.3 + 0.7 and the like are whole angstroms, whatever binary makes of them."""
    coordinates = np.round(np.arange(0, 2, 0.1), 1)
    for whole in range(1, 10):
        apart = (coordinates + whole) - coordinates
        assert histogram(apart)[whole - 1] == len(coordinates)


def test_the_bins_are_those_of_the_definition() -> None:
    assert BANDS[0] == (1, 2)
    assert BANDS[8] == (9, 10)
    assert BANDS[9] == (10, None)
    assert len(EDGE_COLUMNS) == 11


def test_min_max_scales_columns_and_zeroes_constant_ones() -> None:
    columns = np.array([[1.0, 7.0, -2.0], [3.0, 7.0, 0.0], [2.0, 7.0, 2.0]])
    assert min_max(columns).tolist() == [[0, 0, 0], [1, 0, 0.5], [0.5, 0, 1]]
    assert min_max(np.array([[4.0, 0.0]])).tolist() == [[0, 0]]


def test_the_columns_of_nodes() -> None:
    assert len(NODE_COLUMNS) == len(set(NODE_COLUMNS)) == 172
    assert NODE_COLUMNS[:4] == ("rasa", "phi", "psi", "SS8_0")
    assert NODE_COLUMNS[10:12] == ("SS8_7", "AA_0")
    assert NODE_COLUMNS[31:33] == ("AA_20", "f0_C_death_sum")
    assert NODE_COLUMNS[-1] == "f1_CNO_death_std"


def test_shapes_and_types(graph: GraphArrays) -> None:
    n, e = len(graph.residues), graph.edge_index.shape[1]
    assert graph.x.shape == (n, 172)
    assert graph.edge_attr.shape == (e, 11)
    assert (graph.x.dtype, graph.edge_attr.dtype) == (np.float32, np.float32)
    assert graph.edge_index.dtype == np.int64
    assert 0 <= graph.x.min() <= graph.x.max() <= 1
    assert 0 <= graph.edge_attr.min() <= graph.edge_attr.max() <= 1
    assert graph.left_out == ()


def test_interface_and_edges_are_those_of_a_plain_loop(
    structure: Structure, graph: GraphArrays
) -> None:
    alphas = dict(zip(structure.residues, structure.coordinates[structure.ca_atom], strict=True))
    close = {
        frozenset((one, other))
        for one in alphas
        for other in alphas
        if one.chain != other.chain and 0 < math.dist(alphas[one], alphas[other]) < 10
    }
    assert list(graph.residues) == sorted({residue for pair in close for residue in pair})
    source, target = graph.edge_index
    forward = list(zip(source[::2], target[::2], strict=True))
    assert list(zip(target[1::2], source[1::2], strict=True)) == forward
    assert forward == sorted(forward)
    assert all(i < j for i, j in forward)
    pairs = {frozenset((graph.residues[i], graph.residues[j])) for i, j in forward}
    assert pairs == close
    assert len(forward) == len(close)
    assert np.array_equal(graph.edge_attr[::2], graph.edge_attr[1::2])


def test_edge_features_are_those_of_a_plain_loop(structure: Structure, graph: GraphArrays) -> None:
    atoms: dict[Any, list[Any]] = {residue: [] for residue in structure.residues}
    for owner, place in zip(structure.atom_residue, structure.coordinates, strict=True):
        atoms[structure.residues[owner]].append(place)
    alphas = dict(zip(structure.residues, structure.coordinates[structure.ca_atom], strict=True))
    rows = []
    for i, j in graph.edge_index.T[::2]:
        one, other = graph.residues[i], graph.residues[j]
        distances = [math.dist(a, b) for a in atoms[one] for b in atoms[other]]
        counts = [
            sum(low <= d and (high is None or d < high) for d in distances) for low, high in BANDS
        ]
        rows.append([math.dist(alphas[one], alphas[other]), *counts])
    assert np.allclose(graph.edge_attr[::2], min_max(np.array(rows)), atol=1e-6)


def test_basic_node_features(structure: Structure, graph: GraphArrays) -> None:
    column = {name: index for index, name in enumerate(NODE_COLUMNS)}
    kinds = graph.x[:, column["AA_0"] : column["AA_20"] + 1]
    assert [AMINO_ACIDS[row.argmax()] for row in kinds] == [r.name for r in graph.residues]
    assert (kinds.sum(axis=1) == 1).all()
    assert (graph.x[:, column["SS8_0"] : column["SS8_7"] + 1].sum(axis=1) == 1).all()
    # Angles are scaled over all residues; 360 at the chains' ends is the largest.
    whole = backbone(structure)
    row = whole.row(len(structure.residues))
    for name, angles in (("phi", whole.phi), ("psi", whole.psi)):
        expected = (angles - angles.min()) / (360 - angles.min())
        places = [row[structure.residues.index(residue)] for residue in graph.residues]
        assert np.allclose(graph.x[:, column[name]], expected[places], atol=1e-6)


def test_topological_columns_are_scaled_over_the_graph(graph: GraphArrays) -> None:
    columns = graph.x[:, 32:]
    spread = columns.max(axis=0) > 0
    assert spread.sum() > 130
    assert (columns.min(axis=0) == 0).all()
    assert (columns.max(axis=0)[spread] == 1).all()


def test_the_whole_complex_turned_is_the_same_graph(
    structure: Structure, graph: GraphArrays
) -> None:
    angle = 0.7
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    turned = build_graph(structure.moved(turn, np.array([3.0, -4.0, 5.0]), structure.chains))
    assert np.array_equal(turned.edge_index, graph.edge_index)
    assert np.allclose(turned.edge_attr, graph.edge_attr, atol=1e-6)
    # The points on the spheres of the surface do not turn along.
    assert np.abs(turned.x[:, 0] - graph.x[:, 0]).max() < 0.03
    # The shortest bars are cut at 0.01, where single precision begins to show.
    assert np.quantile(np.abs(turned.x[:, 1:] - graph.x[:, 1:]), 0.999) < 1e-3


def test_compat_takes_atoms_as_xyy(structure: Structure, graph: GraphArrays) -> None:
    published = build_graph(structure, compat=True)
    assert np.array_equal(published.x, graph.x)
    assert np.array_equal(published.edge_index, graph.edge_index)
    assert np.array_equal(published.edge_attr[:, 0], graph.edge_attr[:, 0])
    assert not np.allclose(published.edge_attr, graph.edge_attr, atol=0.1)
    flat = replace(structure, coordinates=structure.coordinates[:, [0, 1, 1]])
    rows = []
    for i, j in published.edge_index.T[::2]:
        places = [structure.residues.index(published.residues[k]) for k in (i, j)]
        one, other = (flat.coordinates[flat.atom_residue == place] for place in places)
        rows.append(histogram(np.array([[math.dist(a, b) for b in other] for a in one])))
    assert np.allclose(published.edge_attr[::2, 1:], min_max(np.array(rows)), atol=1e-6)


def test_hydrogens_count_in_the_histogram_alone(make: Any, write: Write) -> None:
    atoms = make.two_strands()
    light = [make.Atom("HB2", "LEU", "A", 2, (3.8, 1.5, 0), "H")]
    without = build_graph(read_structure(write("a.pdb", make.pdb(atoms))))
    with_them = build_graph(read_structure(write("b.pdb", make.pdb(atoms + light))))
    assert np.array_equal(with_them.x, without.x)
    assert np.array_equal(with_them.edge_attr[:, 0], without.edge_attr[:, 0])
    assert not np.array_equal(with_them.edge_attr[:, 1:], without.edge_attr[:, 1:])


def test_pdb_and_mmcif_give_the_same_graph(make: Any, write: Write) -> None:
    atoms = make.two_strands()
    one = build_graph(read_structure(write("x.pdb", make.pdb(atoms))))
    other = build_graph(read_structure(write("x.cif", make.mmcif(atoms))))
    assert np.array_equal(one.x, other.x)
    assert np.array_equal(one.edge_attr, other.edge_attr)


def test_insertion_codes_and_long_chain_names_reach_the_graph(make: Any, write: Write) -> None:
    atoms = [
        make.changed(
            atom,
            chain={"A": "Heavy", "B": "L2"}[atom.chain],
            number=2 if atom.number == 3 else atom.number,
            insertion="A" if atom.number == 3 else "",
        )
        for atom in make.two_strands()
    ]
    graph = build_graph(read_structure(write("x.cif", make.mmcif(atoms))))
    assert [str(key) for key in graph.residues[:3]] == [
        "Heavy 1 ALA",
        "Heavy 2 LEU",
        "Heavy 2A SER",
    ]
    assert {key.chain for key in graph.residues} == {"Heavy", "L2"}


def test_residues_with_a_part_missing_are_left_out_and_named(make: Any, write: Write) -> None:
    atoms = [
        atom
        for atom in make.two_strands()
        if (atom.chain, atom.number, atom.name) not in (("A", 3, "O"), ("B", 4, "CA"))
    ]
    atoms = [
        make.changed(a, residue="UNK") if (a.chain, a.number) == ("B", 2) else a for a in atoms
    ]
    graph = build_graph(read_structure(write("x.pdb", make.pdb(atoms))))
    assert {str(key): why for key, why in graph.left_out} == {
        "A 3 SER": "backbone not whole",
        "B 2 UNK": "no largest surface known for this residue",
        "B 4 ILE": "no C-alpha",
    }
    assert [str(key) for key in graph.residues] == [
        "A 1 ALA", "A 2 LEU", "A 4 GLY", "A 5 LYS", "A 6 VAL",
        "B 1 GLU", "B 3 ALA", "B 5 ASN", "B 6 THR",
    ]  # fmt: skip
    assert graph.edge_index.max() == 8
    assert np.isfinite(graph.x).all()


def test_a_modified_amino_acid_is_other(make: Any, write: Write) -> None:
    atoms = [
        make.changed(a, residue="MSE") if (a.chain, a.number) == ("A", 2) else a
        for a in make.two_strands()
    ]
    graph = build_graph(read_structure(write("x.pdb", make.pdb(atoms))))
    assert str(graph.residues[1]) == "A 2 MSE"
    assert graph.x[1, NODE_COLUMNS.index("AA_20")] == 1
    assert graph.x[:, NODE_COLUMNS.index("AA_20")].sum() == 1


def three_chains(make: Any) -> list[Any]:
    """A and B beside each other, C on B's other side, out of A's reach."""
    return [*make.two_strands(y=5.0), *make.strand("C", ["ALA"] * 6, y=12.0, z=1.0)]


def test_every_pair_of_chains_is_an_interface(make: Any, write: Write) -> None:
    graph = build_graph(read_structure(write("x.pdb", make.pdb(three_chains(make)))))
    pairs = {"".join(sorted(graph.residues[k].chain for k in edge)) for edge in graph.edge_index.T}
    assert pairs == {"AB", "BC"}


@pytest.mark.parametrize(
    ("partners", "expected"), [("AB:C", {"BC"}), ("B:AC", {"AB", "BC"}), ("A:B", {"AB"})]
)
def test_partners_limit_the_interface(
    make: Any, write: Write, partners: str, expected: set[str]
) -> None:
    found = read_structure(write("x.pdb", make.pdb(three_chains(make))))
    graph = build_graph(found, partners=parse_partners(partners))
    pairs = {"".join(sorted(graph.residues[k].chain for k in edge)) for edge in graph.edge_index.T}
    assert pairs == expected


def test_the_surface_is_that_of_the_whole_complex(make: Any, write: Write) -> None:
    """Chain C covers B though it is no partner."""
    found = read_structure(write("x.pdb", make.pdb(three_chains(make))))
    alone = read_structure(write("y.pdb", make.pdb(make.two_strands(y=5.0))))
    within = build_graph(found, partners=parse_partners("A:B"))
    without = build_graph(alone)
    assert within.residues == without.residues
    assert within.x[:, 0].sum() < without.x[:, 0].sum()


def test_no_interface_reports_the_distances_of_chains(make: Any, write: Write) -> None:
    found = read_structure(write("far.pdb", make.pdb(make.two_strands(y=30.0))))
    with pytest.raises(DataError, match="far: no interface") as caught:
        build_graph(found)
    assert caught.value.details == ("nearest: 30.0 A",)
    with pytest.raises(DataError, match="no interface"):
        build_graph(
            read_structure(write("x.pdb", make.pdb(three_chains(make)))),
            partners=parse_partners("A:C"),
        )


def test_one_chain_has_no_interface(make: Any, write: Write) -> None:
    found = read_structure(write("one.pdb", make.pdb(make.strand("A", ["ALA"] * 5))))
    with pytest.raises(DataError, match=r"one: one chain \(A\), so no interface"):
        build_graph(found)


def test_a_partner_without_c_alphas_has_no_interface(make: Any, write: Write) -> None:
    atoms = [a for a in make.two_strands() if (a.chain, a.name) != ("B", "CA")]
    with pytest.raises(DataError, match=r"C-alphas in one partner only \(A, B\)"):
        build_graph(read_structure(write("x.pdb", make.pdb(atoms))))


def test_an_interface_of_incomplete_residues_is_an_error(make: Any, write: Write) -> None:
    atoms = [atom for atom in make.two_strands() if atom.name == "CA"]
    with pytest.raises(DataError, match="no two interface residues are whole"):
        build_graph(read_structure(write("x.pdb", make.pdb(atoms))))


def test_chains_exactly_10_apart_do_not_touch(make: Any, write: Write) -> None:
    one, other = make.strand("A", ["ALA"] * 3), make.strand("B", ["ALA"] * 3, y=10.0)
    with pytest.raises(DataError, match="no interface"):
        build_graph(read_structure(write("x.pdb", make.pdb(one + other))))
    near = [make.changed(a, xyz=(a.xyz[0], a.xyz[1] - 0.001, a.xyz[2])) for a in other]
    graph = build_graph(read_structure(write("y.pdb", make.pdb(one + near))))
    assert graph.edge_index.shape == (2, 6)


def test_c_alphas_at_one_place_have_no_edge(make: Any, write: Write) -> None:
    """0 < distance: the two are interface residues all the same."""
    one, other = make.strand("A", ["ALA"] * 3), make.strand("B", ["ALA"] * 3)
    graph = build_graph(read_structure(write("x.pdb", make.pdb(one + other))))
    edges = {tuple(edge) for edge in graph.edge_index.T.tolist()}
    assert len(graph.residues) == 6
    assert not edges & {(0, 3), (1, 4), (2, 5)}
    assert (0, 4) in edges


def test_parameters_record_the_variant() -> None:
    assert parameters(False)["edges"]["atom_axes"] == "xyz"
    assert parameters(True)["edges"]["atom_axes"] == "xyy"
