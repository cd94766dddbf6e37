"""DockQ: how close a decoy's interface is to the native's (0 to 1).

Sources: Basu & Wallner 2016, doi 10.1371/journal.pone.0161879 (definition); Mirabello & Wallner
2024, doi 10.1093/bioinformatics/btae586 (F1, clashes, several interfaces). Written from these
definitions:

- fnat: the share of native contacts that the decoy has. A contact is a pair of residues, one of
  each partner, with two heavy atoms less than 5 A apart.
- iRMSD (A): over the backbone (N, CA, C, O) of the native's interface residues (a heavy atom less
  than 10 A from one of the other partner), after superposing these same atoms.
- LRMSD (A): over the backbone of the ligand (the partner with fewer residues; of two alike, the
  first) after superposing the backbone of the receptor (the other one).
- DockQ = (fnat + 1 / (1 + (iRMSD / 1.5)^2) + 1 / (1 + (LRMSD / 8.5)^2)) / 3
- F1: harmonic mean of precision and recall of the decoy's contacts.
- clashes: pairs of residues across the decoy's interface with heavy atoms less than 2 A apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from topoqa_graphs.matching import Matching, match
from topoqa_graphs.partners import Partners
from topoqa_graphs.structures import Structure, listed
from topoqa_train.errors import DataError

CONTACT = 5.0
INTERFACE = 10.0
CLASH = 2.0
IRMSD_SCALE = 1.5
LRMSD_SCALE = 8.5
BACKBONE = ("N", "CA", "C", "O")
_FEWEST_ATOMS = 3
# Of a native whose partners are not named.
MOST_CHAINS = 60

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class InterfaceScore:
    """One interface of the native, by chain names of the native; lengths in A."""

    partners: Partners
    dockq: float
    fnat: float
    irmsd: float
    lrmsd: float
    f1: float
    clashes: int
    native_contacts: int


@dataclass(frozen=True)
class DockQ:
    """Scores of a decoy: means over `interfaces` (clashes: the sum); `notes` for people."""

    dockq: float
    fnat: float
    irmsd: float
    lrmsd: float
    f1: float
    clashes: int
    interfaces: tuple[InterfaceScore, ...]
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Pose:
    """Matched residues of one structure, rows in the same order for native and decoy.

    `atoms [a, 3]` heavy atoms and the row of each, `residue [a]`; `backbone [n, 4, 3]` N, CA, C, O
    with NaN where an atom is missing.
    """

    atoms: Floats
    residue: Ints
    backbone: Floats


def dockq(
    decoy: Structure,
    native: Structure,
    partners: Partners | None = None,
    chain_map: Mapping[str, str] | None = None,
) -> DockQ:
    """Score `decoy` against `native`.

    `partners` (native's chain names) makes two rigid groups of chains, scored as one interface, as
    for an antibody's two chains against its antigen. Without it every pair of chains that are in
    contact in the native is an interface, and the result is the mean over them, as DockQ v2's
    GlobalDockQ; an interface that the decoy lost counts with what it then scores, close to 0.
    `chain_map` gives the decoy's name of a native chain; by default names are the same. Chains
    are never permuted to raise the score.

    Raises:
        DataError: chains missing or not the same protein, no interface in the native, too few
            shared atoms.
    """
    if partners is None and len(native.chains) > MOST_CHAINS:
        raise DataError(
            f"{native.name} has {len(native.chains)} chains: too many to score each pair of them",
            hint="Name the two partners: --partners AB:C, or a CSV file of them.",
        )
    wanted = [partners] if partners is not None else list(combinations(native.chains, 2))
    pairs = [checked_partners(pair, native) for pair in wanted]
    if not pairs:
        raise DataError(
            f"{native.name} has {len(native.chains)} chain: DockQ needs an interface",
            hint="Give a native with the chains of both partners.",
        )
    chains = _chain_names(decoy, native, pairs, chain_map or {})
    matching = match(decoy, native, chains)
    scores = [
        score for pair in pairs if (score := _score_pair(decoy, native, matching, pair)) is not None
    ]
    if not scores:
        raise no_interface(native, pairs, matching.notes)
    return _mean(scores, matching.notes)


def no_interface(
    native: Structure, pairs: Sequence[Partners], notes: Sequence[str] = ()
) -> DataError:
    """Return the error for a native whose partners do not touch where the decoy has residues."""
    names = "; ".join(f"{'+'.join(a)} with {'+'.join(b)}" for a, b in pairs)
    return DataError(
        f"{native.name}: no two heavy atoms of the partners are less than {CONTACT:g} A apart",
        details=[f"partners: {names}", *notes],
        hint="DockQ needs a native interface: check the file and the partners.",
    )


def checked_partners(pair: tuple[str, str] | Partners, native: Structure) -> Partners:
    """Two groups of chains that `native` has, none empty and none in both; else a `DataError`."""
    first, second = ((side,) if isinstance(side, str) else tuple(side) for side in pair)
    twice = sorted(set(first) & set(second))
    unknown = [chain for chain in (*first, *second) if chain not in native.chains]
    if twice or unknown or not first or not second:
        raise DataError(
            f"partners {'+'.join(first) or '(none)'} and {'+'.join(second) or '(none)'} "
            f"do not suit {native.name}",
            details=[
                *(f"chain {chain} is on both sides" for chain in twice),
                *(f"chain {chain} is not in it" for chain in unknown),
                f"its chains: {listed(native.chains, ' ')}",
            ],
            hint="Name each partner's chains, for instance AB:C.",
        )
    return first, second


def _chain_names(
    decoy: Structure, native: Structure, pairs: Sequence[Partners], chain_map: Mapping[str, str]
) -> dict[str, str]:
    wanted = {chain for pair in pairs for side in pair for chain in side}
    names = {chain: chain_map.get(chain, chain) for chain in native.chains if chain in wanted}
    missing = [
        f"{mine} (native {chain})" for chain, mine in names.items() if mine not in decoy.chains
    ]
    if missing:
        raise DataError(
            f"{decoy.name} is missing chains of its native {native.name}: {listed(missing)}",
            details=[
                f"decoy: {listed(decoy.chains, ' ')}",
                f"native: {listed(native.chains, ' ')}",
            ],
            hint="Chains are matched by name: rename the decoy's chains or give the mapping.",
        )
    if len(set(names.values())) < len(names):
        raise DataError(
            f"one chain of {decoy.name} is given for two of {native.name}",
            details=[f"{chain} = {mine}" for chain, mine in names.items()],
            hint="Give every chain of the native a chain of its own.",
        )
    return names


def _score_pair(
    decoy: Structure, native: Structure, matching: Matching, pair: Partners
) -> InterfaceScore | None:
    chains = np.array([key.chain for key in native.residues])
    first, second = (np.isin(chains, side) for side in pair)
    rows = (first | second)[matching.native]
    reference = pose(native, matching.native[rows])
    side = first[matching.native[rows]]
    contacts = contact_codes(reference, side)
    if not contacts.size:
        return None
    model = pose(decoy, matching.decoy[rows])
    receptor_first = int(first.sum()) > int(second.sum())
    found, clashes = contacts_and_clashes(model, side)
    shared = np.intersect1d(contacts, found, assume_unique=True).size
    fnat = shared / contacts.size
    irmsd = _irmsd(model, reference, side, native.name)
    lrmsd = _lrmsd(model, reference, side if receptor_first else ~side, native.name)
    return InterfaceScore(
        partners=pair,
        dockq=combine(fnat, irmsd, lrmsd),
        fnat=fnat,
        irmsd=irmsd,
        lrmsd=lrmsd,
        f1=2 * shared / (contacts.size + found.size),
        clashes=clashes,
        native_contacts=int(contacts.size),
    )


def _mean(scores: Sequence[InterfaceScore], notes: tuple[str, ...]) -> DockQ:
    def mean(name: str) -> float:
        return float(np.mean([getattr(score, name) for score in scores]))

    return DockQ(
        dockq=mean("dockq"),
        fnat=mean("fnat"),
        irmsd=mean("irmsd"),
        lrmsd=mean("lrmsd"),
        f1=mean("f1"),
        clashes=sum(score.clashes for score in scores),
        interfaces=tuple(scores),
        notes=notes,
    )


def combine(fnat: float, irmsd: float, lrmsd: float) -> float:
    """DockQ of its three parts (equation 1 of the paper)."""
    near = 1 / (1 + (irmsd / IRMSD_SCALE) ** 2)
    placed = 1 / (1 + (lrmsd / LRMSD_SCALE) ** 2)
    return (fnat + near + placed) / 3


def pose(structure: Structure, residues: Ints) -> Pose:
    """Return the heavy atoms and backbone of `residues`, in their order."""
    row = np.full(len(structure.residues), -1, dtype=np.int64)
    row[residues] = np.arange(len(residues))
    at = row[structure.atom_residue]
    heavy = at >= 0  # a Structure holds heavy atoms alone
    names = np.array(structure.atom_names)
    backbone = np.full((len(residues), len(BACKBONE), 3), np.nan)
    for column, name in enumerate(BACKBONE):
        chosen = heavy & (names == name)
        backbone[at[chosen], column] = structure.coordinates[chosen]
    return Pose(structure.coordinates[heavy], at[heavy], backbone)


def close_pairs(model: Pose, side: Bools, cutoff: float) -> tuple[Ints, Floats]:
    """Pairs of atoms of different sides less than `cutoff` A apart.

    `side [n]` is true for residues of the first partner. Returns for each pair of atoms the code
    `i * n + j` of its residues (i of the first partner) and the distance.
    """
    first = side[model.residue]
    rows, columns = model.residue[first], model.residue[~first]
    table = cKDTree(model.atoms[first]).sparse_distance_matrix(
        cKDTree(model.atoms[~first]), cutoff, output_type="ndarray"
    )
    near = table[table["v"] < cutoff]
    codes: Ints = rows[near["i"]] * len(side) + columns[near["j"]]
    return codes, near["v"]


def contact_codes(model: Pose, side: Bools) -> Ints:
    """Sorted codes (see `close_pairs`) of the residue pairs in contact."""
    return contacts_and_clashes(model, side)[0]


def contacts_and_clashes(model: Pose, side: Bools) -> tuple[Ints, int]:
    """Sorted codes of the residue pairs in contact, and how many pairs clash."""
    codes, distances = close_pairs(model, side, CONTACT)
    return np.unique(codes), int(np.unique(codes[distances < CLASH]).size)


def interface_rows(reference: Pose, side: Bools) -> Bools:
    """Which residues `[n]` have a heavy atom less than 10 A from the other side."""
    codes, _ = close_pairs(reference, side, INTERFACE)
    rows = np.zeros(len(side), dtype=np.bool_)
    rows[codes // len(side)] = True
    rows[codes % len(side)] = True
    return rows


def superposition(mobile: Floats, fixed: Floats) -> tuple[Floats, Floats]:
    """Rotation `R` and shift `t` that bring `mobile [m, 3]` onto `fixed` as `mobile @ R.T + t`.

    Least squares (Kabsch 1976), proper rotations only.
    """
    centre, target = mobile.mean(axis=0), fixed.mean(axis=0)
    left, _, right = np.linalg.svd((mobile - centre).T @ (fixed - target))
    sign = np.sign(np.linalg.det(left @ right))
    rotation = (left * np.array([1.0, 1.0, sign])) @ right
    return rotation.T, target - centre @ rotation


def rmsd(first: Floats, second: Floats) -> float:
    """Root of the mean squared distance of the points of two `[m, 3]` sets."""
    return float(np.sqrt(((first - second) ** 2).sum(axis=1).mean()))


def _irmsd(model: Pose, reference: Pose, side: Bools, name: str) -> float:
    mobile, fixed = _shared_backbone(
        model, reference, interface_rows(reference, side), f"the interface of {name}"
    )
    rotation, shift = superposition(mobile, fixed)
    return rmsd(mobile @ rotation.T + shift, fixed)


def _lrmsd(model: Pose, reference: Pose, receptor: Bools, name: str) -> float:
    mobile, fixed = _shared_backbone(model, reference, receptor, f"the receptor of {name}")
    rotation, shift = superposition(mobile, fixed)
    ligand, native_ligand = _shared_backbone(model, reference, ~receptor, f"the ligand of {name}")
    return rmsd(ligand @ rotation.T + shift, native_ligand)


def _shared_backbone(model: Pose, reference: Pose, rows: Bools, what: str) -> tuple[Floats, Floats]:
    mobile, fixed = model.backbone[rows].reshape(-1, 3), reference.backbone[rows].reshape(-1, 3)
    both = ~(np.isnan(mobile[:, 0]) | np.isnan(fixed[:, 0]))
    if both.sum() < _FEWEST_ATOMS:
        raise DataError(
            f"decoy and native share {both.sum()} backbone atoms of {what}; "
            f"{_FEWEST_ATOMS} are needed to superpose",
            hint="The decoy is missing that part, or its chains have other names.",
        )
    return mobile[both], fixed[both]
