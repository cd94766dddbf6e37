"""Rigid-body decoys: reproducible, rigid, spread, and like the output of a docking program."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import spearmanr

import topoqa_graphs
from topoqa_graphs import decoys as module
from topoqa_graphs.decoys import Decoy, make_decoys, write_decoys
from topoqa_graphs.dockq import dockq
from topoqa_graphs.partners import PartnerTable, parse_partners
from topoqa_graphs.structures import Structure, read_structure, write_pdb
from topoqa_train.errors import DataError

NATIVES = Path(topoqa_graphs.__file__).parent / "natives"
SEED = 222


@contextmanager
def no_progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    yield lambda steps=1: None


@pytest.fixture(scope="module")
def native() -> Structure:
    return read_structure(NATIVES / "2OOB.pdb.gz")


@pytest.fixture(scope="module")
def made(native: Structure) -> list[Decoy]:
    return make_decoys(native, 20, SEED)


def coordinates(decoys: list[Decoy]) -> np.ndarray:
    return np.array([decoy.structure.coordinates for decoy in decoys])


def across(structure: Structure, cutoff: float) -> np.ndarray:
    """Distances below the cutoff between atoms of chain A and chain B."""
    first = structure.residue_chain[structure.atom_residue] == 0
    one, other = structure.coordinates[first], structure.coordinates[~first]
    return cKDTree(one).sparse_distance_matrix(cKDTree(other), cutoff, output_type="ndarray")["v"]


def test_the_seed_makes_the_decoys(native: Structure, made: list[Decoy]) -> None:
    again = make_decoys(native, 20, SEED)
    assert np.array_equal(coordinates(made), coordinates(again))
    assert [decoy.score for decoy in made] == [decoy.score for decoy in again]
    assert not np.array_equal(coordinates(made), coordinates(make_decoys(native, 20, SEED + 1)))


def test_names_count_from_zero_in_no_order_of_quality(made: list[Decoy]) -> None:
    assert [decoy.name for decoy in made] == [f"2OOB_{number:03d}" for number in range(20)]
    assert [decoy.structure.name for decoy in made] == [decoy.name for decoy in made]
    values = [decoy.score.dockq for decoy in made]
    assert values not in (sorted(values), sorted(values, reverse=True))


def test_they_are_spread_over_zero_to_one(made: list[Decoy]) -> None:
    counts, _ = np.histogram([decoy.score.dockq for decoy in made], bins=10, range=(0, 1))
    # Two for each bin; rounding to three decimals can carry one over a border.
    assert counts.sum() == 20
    assert counts.min() >= 1
    assert counts.max() <= 3


def test_only_the_smaller_partner_moves_and_as_one_body(
    native: Structure, made: list[Decoy]
) -> None:
    ligand = native.residue_chain[native.atom_residue] == 0  # A has 44 residues, B 72
    still = native.coordinates[~ligand]
    shape = np.linalg.norm(np.diff(native.coordinates[ligand], axis=0), axis=1)
    for decoy in made:
        moved = decoy.structure.coordinates
        assert np.array_equal(moved[~ligand], still)
        steps = np.linalg.norm(np.diff(moved[ligand], axis=0), axis=1)
        assert np.abs(steps - shape).max() < 0.002
        assert not np.array_equal(moved[ligand], native.coordinates[ligand])


def test_each_has_contact_without_too_much_overlap(native: Structure, made: list[Decoy]) -> None:
    for decoy in made:
        near = across(decoy.structure, 5.0)
        assert (near < module.OVERLAP).mean() <= module.MOST_OVERLAP + 0.01
        found = decoy.score.f1, decoy.score.fnat, decoy.score.interfaces[0].native_contacts
        contacts = found[2] * (2 * found[1] / found[0] - 1) if found[0] else None
        if contacts is not None:
            assert contacts >= module.LEAST_SHARE * found[2] - 1


def test_the_size_of_an_interface_does_not_give_its_quality_away() -> None:
    found = []
    for name in ("1EFN", "1FFW", "2OOB"):
        decoys = make_decoys(read_structure(NATIVES / f"{name}.pdb.gz"), 20, SEED)
        sizes = [interface_size(decoy.structure) for decoy in decoys]
        found.append(spearmanr(sizes, [decoy.score.dockq for decoy in decoys]).statistic)
    # 0.41 over all shipped natives; these three stay well below a ranking one could rely on.
    assert 0 < np.mean(found) < 0.7


def interface_size(structure: Structure) -> int:
    """Residues with a C-alpha less than 10 A from one of the other chain."""
    first = structure.residue_chain == 0
    points = structure.coordinates[structure.ca_atom]
    near = cKDTree(points[first]).query_ball_tree(cKDTree(points[~first]), 10)
    return sum(map(bool, near)) + len({other for others in near for other in others})


def test_sliding_stops_at_the_depth_asked_for(native: Structure) -> None:
    complex_ = module._Complex(native, (("A",), ("B",)))
    centred = module._Move(np.eye(3), complex_.receptor_centre - complex_.ligand_centre)
    direction = np.array([0.6, 0.0, 0.8])
    for depth in (1, 5, 40):
        slid = complex_.slid(centred, direction, depth)
        points = slid.then_shift(1e-6 * -direction).of(complex_.ligand)
        pairs = complex_.receptor_tree.sparse_distance_matrix(
            cKDTree(points), module.TOUCH, output_type="ndarray"
        )
        # Pairs that came first may have passed through one another at great depth only.
        assert len(pairs) == depth if depth < 10 else 0.5 * depth <= len(pairs) <= depth


def test_a_wanted_quality_is_aimed_at(native: Structure) -> None:
    complex_ = module._Complex(native, (("A",), ("B",)))
    rng = np.random.default_rng(SEED)
    for goal in (0.2, 0.5, 0.9):
        rmsds = [complex_.rmsds(module._moved_away(complex_, goal, rng)) for _ in range(10)]
        sized = [module.scoring.combine(1 / (1 + (i / 1.5) ** 2), i, r) for i, r in rmsds]
        assert np.abs(np.array(sized) - goal).max() < 0.05


def test_fast_scores_are_the_scores(native: Structure, made: list[Decoy]) -> None:
    complex_ = module._Complex(native, (("A",), ("B",)))
    rng = np.random.default_rng(SEED)
    for goal in (0, 3, 9):
        move = module._draw(complex_, goal, rng)
        moved = native.moved(move.rotation, move.shift, complex_.ligand_chains)
        exact = dockq(moved, native)
        assert complex_.rmsds(move) == pytest.approx((exact.irmsd, exact.lrmsd), abs=1e-6)
        pairs, _ = complex_.contacts_of(move)
        shared = np.intersect1d(pairs, complex_.contacts).size
        assert shared / complex_.contacts.size == pytest.approx(exact.fnat)


def test_files_and_labels_agree(tmp_path: Path, native: Structure) -> None:
    labels = write_decoys(
        [NATIVES / "2OOB.pdb.gz"], tmp_path / "d", 4, SEED, PartnerTable(), no_progress
    )
    rows = list(csv.DictReader(labels.open()))
    assert [row["MODEL"] for row in rows] == [f"2OOB_{n:03d}" for n in range(4)]
    assert {row["TARGET"] for row in rows} == {"2OOB"}
    for row in rows:
        score = dockq(read_structure(tmp_path / "d" / f"{row['MODEL']}.pdb.gz"), native)
        found = [float(row[name]) for name in ("dockq", "fnat", "irmsd", "lrmsd")]
        assert found == pytest.approx([score.dockq, score.fnat, score.irmsd, score.lrmsd], abs=1e-4)


def test_a_native_gets_the_same_decoys_whatever_else_is_made(tmp_path: Path) -> None:
    paths = [NATIVES / "1EFN.pdb.gz", NATIVES / "2OOB.pdb.gz"]
    write_decoys(paths, tmp_path / "both", 3, SEED, PartnerTable(), no_progress)
    script = (
        "import sys; from pathlib import Path; from contextlib import nullcontext\n"
        "from topoqa_graphs.decoys import write_decoys\n"
        "from topoqa_graphs.partners import PartnerTable\n"
        "progress = lambda text, total: nullcontext(lambda n: None)\n"
        "native, out = Path(sys.argv[1]), Path(sys.argv[2])\n"
        f"write_decoys([native], out, 3, {SEED}, PartnerTable(), progress)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(paths[1]), str(tmp_path / "one")], check=True)
    for number in range(3):
        name = f"2OOB_{number:03d}.pdb.gz"
        assert (tmp_path / "both" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def three_chains(native: Structure) -> Structure:
    keys = tuple(
        replace(key, chain="C") if key.chain == "B" and key.number > 40 else key
        for key in native.residues
    )
    return replace(native, residues=keys)


def test_partners_of_several_chains_move_together(native: Structure) -> None:
    cut = three_chains(native)
    made = make_decoys(cut, 3, SEED, parse_partners("BC:A"))
    whole = make_decoys(native, 3, SEED)
    assert [d.score.dockq for d in made] == pytest.approx([d.score.dockq for d in whole])
    with pytest.raises(DataError, match=r"2OOB has 3 chains .* two partners"):
        make_decoys(cut, 3, SEED)


def test_partners_that_do_not_touch(native: Structure) -> None:
    apart = native.moved(np.eye(3), np.array([200.0, 0, 0]), "A")
    with pytest.raises(DataError, match="2OOB: no two heavy atoms"):
        make_decoys(apart, 2, SEED)


def test_partners_that_do_not_suit(native: Structure) -> None:
    with pytest.raises(DataError, match="2OOB has no chain Z"):
        make_decoys(native, 2, SEED, (("A",), ("Z",)))
    with pytest.raises(DataError, match="do not suit 2OOB"):
        make_decoys(native, 2, SEED, (("A",), ("A", "B")))


def test_too_few_poses_is_an_error(native: Structure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OVERLAP", -1.0)
    monkeypatch.setattr(module, "ATTEMPTS_AT_ALL", 5)
    with pytest.raises(DataError, match="2OOB: only 0 of 2 decoys have contact"):
        make_decoys(native, 2, SEED)


def test_each_target_can_have_partners_of_its_own(tmp_path: Path, native: Structure) -> None:
    write_pdb(three_chains(native), tmp_path / "cut.pdb")
    table = PartnerTable(by_name={"cut": parse_partners("BC:A")})
    paths = [tmp_path / "cut.pdb", NATIVES / "2OOB.pdb.gz"]
    labels = write_decoys(paths, tmp_path / "d", 2, SEED, table, no_progress)
    assert labels.read_text().count("\n") == 5


def test_nothing_is_written_over(tmp_path: Path) -> None:
    path = NATIVES / "2OOB.pdb.gz"
    with pytest.raises(DataError, match="two natives have the same name: 2OOB"):
        write_decoys([path, path], tmp_path, 2, SEED, PartnerTable(), no_progress)
    (tmp_path / "labels.csv").write_text("mine")
    with pytest.raises(DataError, match=r"labels\.csv exists already"):
        write_decoys([path], tmp_path, 2, SEED, PartnerTable(), no_progress)
    assert [file.name for file in tmp_path.iterdir()] == ["labels.csv"]


def test_decoys_bear_the_name_that_their_native_is_found_by(tmp_path: Path) -> None:
    source = NATIVES / "2OOB.pdb.gz"
    shutil.copy(source, tmp_path / "2OOB_native.pdb.gz")
    labels = write_decoys(
        [tmp_path / "2OOB_native.pdb.gz"], tmp_path / "d", 2, SEED, PartnerTable(), no_progress
    )
    rows = list(csv.DictReader(labels.open()))
    assert [(row["MODEL"], row["TARGET"]) for row in rows] == [
        ("2OOB_000", "2OOB"),
        ("2OOB_001", "2OOB"),
    ]
    shutil.copy(source, tmp_path / "my_dimer.pdb.gz")
    with pytest.raises(DataError, match="can't contain '_'"):
        write_decoys(
            [tmp_path / "my_dimer.pdb.gz"], tmp_path / "e", 2, SEED, PartnerTable(), no_progress
        )
    assert not (tmp_path / "e").exists()
