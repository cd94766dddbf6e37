"""Rigid-body decoys of a native complex, labelled with DockQ.

The smaller partner (the ligand) is rotated and translated as a rigid body against the other. Two
kinds of pose are drawn: moves away from the native, sized so that DockQ comes near a chosen value,
and poses placed at random, with the ligand in a random orientation moved into contact at a random
side of the receptor. Many of the first kind are moved into contact too. Poor decoys therefore have
packed interfaces as well, like the output of a docking program, and the size of an interface alone
predicts little of DockQ.
"""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from topoqa_graphs import dockq as scoring
from topoqa_graphs.dockq import DockQ, Pose
from topoqa_graphs.partners import Partners, PartnerTable, suited
from topoqa_graphs.structures import Structure, listed, model_name, read_structure, write_pdb
from topoqa_train.api import DataError, Progress, target_of, write_text

# Equal bins of DockQ; every decoy is drawn for the bin that has the fewest.
BINS = 10
# Rigid side chains overlap in every rigid-body pose, and refinement mends that. Crystal structures
# have below 1 % of their atom pairs within 5 A closer than 2.5 A; above 12 % backbones cross.
OVERLAP = 2.5
MOST_OVERLAP = 0.12
# A pose with fewer residue contacts (5 A) is no docking result: an absolute floor, and a share of
# the native's. A higher share, or less overlap, changes how much the size of an interface
# alone predicts of DockQ; at these values about as much as in published sets of rigid-body decoys.
FEWEST_CONTACTS = 8
LEAST_SHARE = 0.15
# Sliding stops when this many atom pairs have come within TOUCH (A): the depth of contact.
TOUCH = 3.0
SHALLOWEST, DEEPEST = 2.0, 30.0
# The share of moves away from the native that are slid into contact, and of the lowest bin's
# decoys that are placed at random.
SLID = 0.25
PLACED_AT_RANDOM = 0.5
# Poses tried for one decoy before any DockQ is taken, and before giving up.
ATTEMPTS_IN_BIN = 25
ATTEMPTS_AT_ALL = 100

DEGREES_PER_ANGSTROM = 8.0
LABEL_COLUMNS = ("MODEL", "dockq", "TARGET", "fnat", "irmsd", "lrmsd")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Decoy:
    """One pose, its coordinates rounded as in a PDB file, and its score against the native."""

    name: str
    structure: Structure
    score: DockQ


@dataclass(frozen=True, eq=False)
class _Move:
    """The ligand's atoms x go to `rotation @ x + shift`."""

    rotation: Floats
    shift: Floats

    def of(self, points: Floats) -> Floats:
        moved: Floats = points @ self.rotation.T + self.shift
        return moved

    def then_shift(self, shift: Floats) -> _Move:
        return replace(self, shift=self.shift + shift)


def make_decoys(
    native: Structure, count: int, seed: int, partners: Partners | None = None
) -> list[Decoy]:
    """Make `count` decoys of `native`, named `<native>_000` and so on, in no order of quality.

    The result depends on the native, its name, `count`, `seed` and `partners` alone. Poses are
    spread evenly over ten bins of DockQ as far as bounded attempts reach.

    Raises:
        DataError: partners not given for more than two chains, partners that do not touch, or too
            few poses that pass the checks on overlap and contact.
    """
    partners = two_partners(native, partners)
    rng = np.random.default_rng([seed, zlib.crc32(native.name.encode())])
    complex_ = _Complex(native, partners)
    moves = _spread(complex_, count, rng)
    order = rng.permutation(len(moves))
    decoys = []
    for number, place in enumerate(order):
        move = moves[place]
        moved = native.moved(move.rotation, move.shift, complex_.ligand_chains)
        name = f"{native.name}_{number:03d}"
        pose = replace(
            moved,
            name=name,
            # A PDB file has three decimals; the label is that of exactly these coordinates.
            coordinates=np.round(moved.coordinates, 3),
            hydrogen_coordinates=np.round(moved.hydrogen_coordinates, 3),
        )
        decoys.append(Decoy(name, pose, scoring.dockq(pose, native, partners)))
    return decoys


def two_partners(native: Structure, partners: Partners | None) -> Partners:
    """Return the partners as given, else the only two chains."""
    if partners is not None:
        return scoring.checked_partners(suited(partners, native), native)
    if len(native.chains) != 2:
        raise DataError(
            f"{native.name} has {len(native.chains)} chains ({listed(native.chains, ' ')}): "
            "decoys are made of two partners",
            hint="Name each partner's chains, for instance --partners AB:C.",
        )
    return (native.chains[0],), (native.chains[1],)


def write_decoys(
    natives: Sequence[Path],
    out: Path,
    count: int,
    seed: int,
    partners: PartnerTable,
    progress: Progress,
) -> Path:
    """Write `<TARGET>_000.pdb.gz` and so on for each native, and `labels.csv`; returns the latter.

    Raises:
        DataError: a native can't be used, two share a name, or `out` has labels already.
    """
    if count < 1:
        raise DataError(f"{count} decoys requested", hint="--count is at least 1.")
    labels = out / "labels.csv"
    if labels.exists():
        raise DataError(f"{labels} exists already", hint="Choose another --out, or move it away.")
    names = [_target_name(path) for path in natives]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"two natives have the same name: {', '.join(twice)}", hint="Rename one.")
    out.mkdir(parents=True, exist_ok=True)
    scores: dict[str, DockQ] = {}
    with progress("decoys", len(natives)) as advance:
        for path, name in zip(natives, names, strict=True):
            native = replace(read_structure(path), name=name)
            made = make_decoys(native, count, seed, partners.of(native.name, native.name))
            for decoy in made:
                write_pdb(decoy.structure, out / f"{decoy.name}.pdb.gz")
                scores[decoy.name] = decoy.score
            advance(1)
    # Written last: a folder with labels is complete.
    write_text(labels, label_csv(scores))
    return labels


def _target_name(native: Path) -> str:
    """Return the target name for the decoys; `1AK4_native.pdb` is the native of 1AK4."""
    name = model_name(native).removesuffix("_native")
    if target_of(name) != name:
        raise DataError(
            f"{native}: a native's name can't contain '_'",
            hint="The part of a decoy's name before the first '_' is its target: rename the file.",
        )
    return name


def label_csv(scores: Mapping[str, DockQ], columns: Sequence[str] = LABEL_COLUMNS) -> str:
    """Labels as CSV, a row for each decoy by name; the target is the native's name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for name, score in scores.items():
        values = {
            "MODEL": name,
            "TARGET": name.rpartition("_")[0],
            "dockq": f"{score.dockq:.6f}",
            "fnat": f"{score.fnat:.6f}",
            "irmsd": f"{score.irmsd:.4f}",
            "lrmsd": f"{score.lrmsd:.4f}",
        }
        writer.writerow([values[column] for column in columns])
    return text.getvalue()


class _Complex:
    """A native prepared for fast scoring of rigid moves of its ligand."""

    def __init__(self, native: Structure, partners: Partners) -> None:
        chains = np.array([key.chain for key in native.residues])
        first, second = (np.isin(chains, side) for side in partners)
        ligand_second = int(first.sum()) > int(second.sum())
        rows = np.flatnonzero(first | second)
        self.name = native.name
        self.ligand_chains = partners[1] if ligand_second else partners[0]
        self.receptor_side = (first if ligand_second else second)[rows]
        whole = scoring.pose(native, rows)
        self.contacts = scoring.contact_codes(whole, self.receptor_side)
        if not self.contacts.size:
            raise scoring.no_interface(native, [partners])
        self._take_atoms(whole)
        self._take_backbone(whole)

    def _take_atoms(self, whole: Pose) -> None:
        of_receptor = self.receptor_side[whole.residue]
        self.receptor, self.ligand = whole.atoms[of_receptor], whole.atoms[~of_receptor]
        self.receptor_rows = whole.residue[of_receptor]
        self.ligand_rows = whole.residue[~of_receptor]
        self.receptor_tree = cKDTree(self.receptor)
        self.receptor_centre = self.receptor.mean(axis=0)
        self.ligand_centre = self.ligand.mean(axis=0)

    def _take_backbone(self, whole: Pose) -> None:
        interface = scoring.interface_rows(whole, self.receptor_side)
        self.fixed_backbone = _points(whole.backbone[interface & self.receptor_side])
        self.moving_backbone = _points(whole.backbone[interface & ~self.receptor_side])
        self.ligand_backbone = _points(whole.backbone[~self.receptor_side])
        near, far = self.fixed_backbone.mean(axis=0), self.moving_backbone.mean(axis=0)
        self.interface_centre = (near + far) / 2
        self.axis = (far - near) / np.linalg.norm(far - near)

    def rmsds(self, move: _Move) -> tuple[float, float]:
        """Give iRMSD and LRMSD (A); the receptor stays, so it needs no superposition."""
        native = np.vstack([self.fixed_backbone, self.moving_backbone])
        moved = np.vstack([self.fixed_backbone, move.of(self.moving_backbone)])
        rotation, shift = scoring.superposition(moved, native)
        irmsd = scoring.rmsd(moved @ rotation.T + shift, native)
        return irmsd, scoring.rmsd(move.of(self.ligand_backbone), self.ligand_backbone)

    def contacts_of(self, move: _Move) -> tuple[Ints, float]:
        """Residue pairs in contact, and the share of atom pairs within 5 A that overlap."""
        table = self.receptor_tree.sparse_distance_matrix(
            cKDTree(move.of(self.ligand)), scoring.CONTACT, output_type="ndarray"
        )
        if not table.size:
            return np.empty(0, dtype=np.int64), 0.0
        codes = self.receptor_rows[table["i"]] * len(self.receptor_side)
        pairs = np.unique(codes + self.ligand_rows[table["j"]])
        return pairs, float((table["v"] < OVERLAP).mean())

    def score(self, move: _Move) -> float | None:
        """DockQ of the pose, or None if it overlaps too much or has too little contact."""
        pairs, overlap = self.contacts_of(move)
        fewest = max(FEWEST_CONTACTS, LEAST_SHARE * self.contacts.size)
        if overlap > MOST_OVERLAP or pairs.size < min(fewest, self.contacts.size):
            return None
        shared = np.intersect1d(pairs, self.contacts, assume_unique=True).size
        return scoring.combine(shared / self.contacts.size, *self.rmsds(move))

    def slid(self, move: _Move, direction: Floats, depth: int) -> _Move:
        """Bring the ligand in along `-direction`, from afar, until `depth` atom pairs touch."""
        plane = np.linalg.svd(direction[None, :])[2][1:].T
        ligand = move.of(self.ligand)
        table = cKDTree(self.receptor @ plane).sparse_distance_matrix(
            cKDTree(ligand @ plane), TOUCH, output_type="ndarray"
        )
        if table.size <= depth:
            return move
        heights = (ligand @ direction)[table["j"]] - (self.receptor @ direction)[table["i"]]
        # A pair `v` apart in the plane touches once its height is below sqrt(TOUCH^2 - v^2).
        stops = np.sqrt(np.maximum(TOUCH**2 - table["v"] ** 2, 0.0)) - heights
        stop = np.partition(stops, -depth)[-depth]
        return move.then_shift(stop * direction)


def _points(backbone: Floats) -> Floats:
    flat = backbone.reshape(-1, 3)
    return flat[~np.isnan(flat[:, 0])]


def _spread(complex_: _Complex, count: int, rng: np.random.Generator) -> list[_Move]:
    """Draw moves until every bin has its share; fill bins that stay short from the others."""
    wanted = np.full(BINS, count // BINS)
    wanted[rng.permutation(BINS)[: count % BINS]] += 1
    taken: list[_Move] = []
    spare: list[_Move] = []
    for attempt in range(count * ATTEMPTS_AT_ALL):
        if not wanted.any() or (
            attempt >= count * ATTEMPTS_IN_BIN and len(taken) + len(spare) >= count
        ):
            break
        goal = int(rng.choice(np.flatnonzero(wanted == wanted.max())))
        move = _draw(complex_, goal, rng)
        value = complex_.score(move)
        if value is None:
            continue
        bin_ = min(int(value * BINS), BINS - 1)
        if wanted[bin_]:
            wanted[bin_] -= 1
            taken.append(move)
        elif len(spare) < count:
            spare.append(move)
    if len(taken) + len(spare) < count:
        raise DataError(
            f"{complex_.name}: only {len(taken) + len(spare)} of {count} decoys have contact "
            "without too much overlap",
            hint="Is the interface very small, or do the partners interlock? Ask for fewer.",
        )
    return taken + spare[: count - len(taken)]


def _draw(complex_: _Complex, goal: int, rng: np.random.Generator) -> _Move:
    """Draw a move aimed at DockQ bin `goal`."""
    depth = int(np.exp(rng.uniform(np.log(SHALLOWEST), np.log(DEEPEST))))
    if goal == 0 and rng.random() < PLACED_AT_RANDOM:
        return _placed_at_random(complex_, depth, rng)
    move = _moved_away(complex_, (goal + rng.random()) / BINS, rng)
    return complex_.slid(move, complex_.axis, depth) if rng.random() < SLID else move


def _placed_at_random(complex_: _Complex, depth: int, rng: np.random.Generator) -> _Move:
    """Place the ligand in a random orientation against a random side of the receptor."""
    rotation = Rotation.from_quat(rng.normal(size=4)).as_matrix()
    direction = _unit(rng)
    centred = _Move(rotation, complex_.receptor_centre - rotation @ complex_.ligand_centre)
    return complex_.slid(centred, direction, depth)


def _moved_away(complex_: _Complex, goal: float, rng: np.random.Generator) -> _Move:
    """Rotate about a random axis and translate, by amounts that bring DockQ near `goal`."""
    axis, direction = _unit(rng), _unit(rng)
    turn = rng.random()
    pivot = complex_.interface_centre if rng.random() < 0.5 else complex_.ligand_centre

    def sized(scale: float) -> _Move:
        angle = np.radians(min(scale * turn * DEGREES_PER_ANGSTROM, 180.0))
        rotation = Rotation.from_rotvec(angle * axis).as_matrix()
        return _Move(rotation, pivot - rotation @ pivot + scale * (1 - turn) * direction)

    low, high = 0.0, 60.0
    for _ in range(10):
        middle = (low + high) / 2
        irmsd, lrmsd = complex_.rmsds(sized(middle))
        # fnat falls about as the iRMSD term does; good enough to size a move by.
        near = 1 / (1 + (irmsd / scoring.IRMSD_SCALE) ** 2)
        low, high = (middle, high) if scoring.combine(near, irmsd, lrmsd) > goal else (low, middle)
    return sized((low + high) / 2)


def _unit(rng: np.random.Generator) -> Floats:
    vector = rng.normal(size=3)
    unit: Floats = vector / np.linalg.norm(vector)
    return unit
