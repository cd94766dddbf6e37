"""DockQ: against the reference library, against plain loops, and what must not change it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import topoqa_graphs
from topoqa_graphs.dockq import BACKBONE, DockQ, combine, dockq
from topoqa_graphs.partners import Partners
from topoqa_graphs.structures import ResidueKey, Structure, read_structure
from topoqa_train.errors import DataError

PEER = Path(__file__).resolve().parents[4] / "shared" / "peer" / "dockq"
NATIVES = Path(topoqa_graphs.__file__).parent / "natives"
Change = Callable[[ResidueKey], ResidueKey | None]


@pytest.fixture(scope="module")
def native() -> Structure:
    return read_structure(NATIVES / "2OOB.pdb.gz")


@pytest.fixture(scope="module")
def decoy(native: Structure) -> Structure:
    return native.moved(
        Rotation.from_euler("xyz", [9, -7, 5], degrees=True).as_matrix(), np.full(3, 3.0), "A"
    )


def with_residues(structure: Structure, change: Change) -> Structure:
    """The structure with each residue's key changed; None drops the residue."""
    keys = [change(key) for key in structure.residues]
    order = sorted((key, row) for row, key in enumerate(keys) if key is not None)
    atoms = [np.flatnonzero(structure.atom_residue == row) for _, row in order]
    chosen = np.concatenate(atoms)
    return Structure(
        name=structure.name,
        residues=tuple(key for key, _ in order),
        atom_names=tuple(structure.atom_names[i] for i in chosen),
        elements=tuple(structure.elements[i] for i in chosen),
        coordinates=structure.coordinates[chosen],
        atom_residue=np.repeat(np.arange(len(order)), [len(rows) for rows in atoms]),
    )


def values(score: DockQ) -> list[float]:
    return [score.dockq, score.fnat, score.irmsd, score.lrmsd, score.f1, score.clashes]


def peer_rows() -> list[dict[str, str]]:
    table = PEER / "dockq.csv"
    return list(csv.DictReader(table.open())) if table.is_file() else []


@pytest.mark.peer
@pytest.mark.skipif(not PEER.is_dir(), reason="no ../shared beside the checkout")
def test_the_reference_library_agrees_on_all_its_decoys() -> None:
    rows = peer_rows()
    names = {row["native"] for row in rows}
    natives = {name: read_structure(PEER / f"{name}.pdb.gz") for name in names}
    worst = np.zeros(6)
    for row in rows:
        score = dockq(read_structure(PEER / f"{row['MODEL']}.pdb.gz"), natives[row["native"]])
        columns = ("DockQ", "fnat", "iRMSD", "LRMSD", "F1", "clashes")
        expected = [float(row[column]) for column in columns]
        worst = np.maximum(worst, np.abs(np.array(values(score)) - expected))
    assert len(rows) == 36
    assert (worst <= [1e-5, 1e-9, 1e-4, 1e-4, 1e-9, 0]).all(), worst


def test_the_formula() -> None:
    assert combine(1.0, 0.0, 0.0) == 1.0
    assert combine(0.0, 1.5, 8.5) == pytest.approx(1 / 3)
    assert combine(0.5, 3.0, 17.0) == pytest.approx((0.5 + 0.2 + 0.2) / 3)


def test_a_native_scores_one_against_itself(native: Structure) -> None:
    score = dockq(native, native)
    assert score.dockq == pytest.approx(1)
    assert (score.fnat, score.f1, score.clashes) == (1, 1, 0)
    assert max(score.irmsd, score.lrmsd) < 1e-6


def test_a_ligand_far_away_scores_almost_zero(native: Structure) -> None:
    score = dockq(native.moved(np.eye(3), np.array([200.0, 0, 0]), "A"), native)
    assert (score.fnat, score.f1, score.clashes) == (0, 0, 0)
    assert score.lrmsd == pytest.approx(200)
    assert score.dockq < 0.01


def test_moving_the_whole_decoy_changes_nothing(native: Structure, decoy: Structure) -> None:
    turn = Rotation.from_euler("xyz", [100, 20, -60], degrees=True).as_matrix()
    elsewhere = decoy.moved(turn, np.array([30.0, -400, 7]), decoy.chains)
    assert values(dockq(elsewhere, native)) == pytest.approx(values(dockq(decoy, native)))


def test_the_order_of_partners_changes_nothing(native: Structure, decoy: Structure) -> None:
    one = dockq(decoy, native, (("A",), ("B",)))
    other = dockq(decoy, native, (("B",), ("A",)))
    assert values(one) == pytest.approx(values(other))
    assert values(one) == pytest.approx(values(dockq(decoy, native)))


def test_contacts_and_clashes_by_plain_loops(native: Structure, decoy: Structure) -> None:
    def nearest(structure: Structure) -> dict[tuple[str, str], float]:
        atoms = {
            key: structure.coordinates[structure.atom_residue == row]
            for row, key in enumerate(structure.residues)
        }
        sides = [[key for key in atoms if key.chain == chain] for chain in "AB"]
        return {
            (str(a), str(b)): np.linalg.norm(atoms[a][:, None] - atoms[b][None], axis=-1).min()
            for a, b in product(*sides)
        }

    real, model = nearest(native), nearest(decoy)
    wanted = {pair for pair, distance in real.items() if distance < 5}
    found = {pair for pair, distance in model.items() if distance < 5}
    score = dockq(decoy, native)
    assert 0 < len(wanted & found) < len(wanted)
    assert score.fnat == pytest.approx(len(wanted & found) / len(wanted))
    assert score.f1 == pytest.approx(2 * len(wanted & found) / (len(wanted) + len(found)))
    assert score.clashes == sum(distance < 2 for distance in model.values())


def test_missing_residues_are_reported_and_only_shared_ones_compared(
    native: Structure, decoy: Structure
) -> None:
    def cut(key: ResidueKey) -> ResidueKey | None:
        return None if key.chain == "B" and key.number <= 10 else key

    shorter = dockq(with_residues(decoy, cut), native)
    assert values(shorter) == pytest.approx(
        values(dockq(with_residues(decoy, cut), with_residues(native, cut)))
    )
    assert any("chain B: 10 of the native's 72 residues" in note for note in shorter.notes)


def test_other_numbering_is_aligned_by_sequence_and_reported(
    native: Structure, decoy: Structure
) -> None:
    renumbered = with_residues(decoy, lambda key: replace(key, number=key.number + 7))
    score = dockq(renumbered, native)
    assert values(score) == pytest.approx(values(dockq(decoy, native)))
    assert sum("sequence alignment" in note for note in score.notes) == 2


def test_a_mutated_residue_is_matched_and_reported(native: Structure, decoy: Structure) -> None:
    mutant = with_residues(
        decoy, lambda key: replace(key, name="SER") if (key.chain, key.number) == ("B", 8) else key
    )
    score = dockq(mutant, native)
    assert values(score) == pytest.approx(values(dockq(decoy, native)))
    assert score.notes == ("chain B: 1 matched residues are of another type",)


def halved(key: ResidueKey) -> ResidueKey:
    """Chain B of ubiquitin cut in two, as a partner of two chains."""
    return replace(key, chain="C") if key.chain == "B" and key.number > 40 else key


def test_a_partner_of_two_chains_is_one_body(native: Structure, decoy: Structure) -> None:
    score = dockq(with_residues(decoy, halved), with_residues(native, halved), (("A",), ("B", "C")))
    assert values(score) == pytest.approx(values(dockq(decoy, native)))


def test_without_partners_it_is_the_mean_over_native_interfaces(
    native: Structure, decoy: Structure
) -> None:
    model, reference = with_residues(decoy, halved), with_residues(native, halved)
    score = dockq(model, reference)
    each = [dockq(model, reference, ((a,), (b,))) for a, b in (("A", "B"), ("A", "C"), ("B", "C"))]
    assert [one.interfaces[0] for one in each] == list(score.interfaces)
    assert score.dockq == pytest.approx(np.mean([one.dockq for one in each]))
    assert score.clashes == sum(one.clashes for one in each)
    assert score.interfaces[2].fnat == 1  # the two halves of ubiquitin move as one


def test_chains_are_mapped_by_name_or_by_option(native: Structure, decoy: Structure) -> None:
    renamed = with_residues(decoy, lambda key: replace(key, chain={"A": "X", "B": "Y"}[key.chain]))
    with pytest.raises(DataError, match=r"is missing chains .* A \(native A\), B \(native B\)"):
        dockq(renamed, native)
    mapped = dockq(renamed, native, chain_map={"A": "X", "B": "Y"})
    assert values(mapped) == pytest.approx(values(dockq(decoy, native)))
    with pytest.raises(DataError, match=r"one chain of .* is given for two"):
        dockq(renamed, native, chain_map={"A": "X", "B": "X"})


def test_swapped_chains_are_not_taken_for_one_another(native: Structure) -> None:
    swapped = with_residues(native, lambda key: replace(key, chain={"A": "B", "B": "A"}[key.chain]))
    with pytest.raises(DataError, match="is not the protein of chain"):
        dockq(swapped, native)


@pytest.mark.parametrize(
    ("partners", "expected"),
    [
        ((("A",), ("A", "B")), "chain A is on both sides"),
        ((("A",), ("Z",)), "chain Z is not in it"),
        (((), ("B",)), "its chains: A B"),
    ],
)
def test_partners_that_do_not_suit(native: Structure, partners: Partners, expected: str) -> None:
    with pytest.raises(DataError, match="do not suit 2OOB") as caught:
        dockq(native, native, partners)
    assert expected in caught.value.details


def test_a_native_without_an_interface(native: Structure) -> None:
    apart = native.moved(np.eye(3), np.array([200.0, 0, 0]), "A")
    with pytest.raises(DataError, match="less than 5 A apart"):
        dockq(native, apart)
    alone = with_residues(native, lambda key: key if key.chain == "A" else None)
    with pytest.raises(DataError, match="has 1 chain"):
        dockq(alone, alone)


def test_a_decoy_without_the_interface_is_no_decoy(native: Structure) -> None:
    stump = with_residues(native, lambda key: key if key.chain == "B" or key.number < 931 else None)
    with pytest.raises(DataError, match="less than 5 A apart") as caught:
        dockq(stump, native)
    assert any("42 of the native's 44 residues" in line for line in caught.value.details)


def test_too_few_backbone_atoms_to_superpose(native: Structure) -> None:
    side_chains = [index for index, name in enumerate(native.atom_names) if name not in BACKBONE]
    bare = replace(
        native,
        atom_names=tuple(native.atom_names[i] for i in side_chains),
        elements=tuple(native.elements[i] for i in side_chains),
        coordinates=native.coordinates[side_chains],
        atom_residue=native.atom_residue[side_chains],
    )
    with pytest.raises(DataError, match="share 0 backbone atoms of the interface of 2OOB"):
        dockq(bare, native)
