"""From a structure to the arrays of a TopoQA graph (Han et al. 2025, doi 10.1093/bib/bbaf083).

Nodes are interface residues, edges join residues of different chains; 172 columns per node, 11
per edge, each scaled within its graph. What holds where the paper is silent is in the README.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from topoqa_graphs import backbone as dssp
from topoqa_graphs import surface, topology
from topoqa_graphs.partners import Partners, sides
from topoqa_graphs.structures import ResidueKey, Structure, listed
from topoqa_train.api import DataError

INTERFACE_REACH = 10.0
# The bins of the edges' histogram, [low, high) in angstroms; the last has no end.
BANDS: tuple[tuple[float, float | None], ...] = (
    *((float(low), float(low + 1)) for low in range(1, 10)),
    (10.0, None),
)
AMINO_ACIDS = (
    "ALA", "CYS", "ASP", "GLU", "PHE", "GLY", "HIS", "ILE", "LYS", "LEU",
    "MET", "ASN", "PRO", "GLN", "ARG", "SER", "THR", "VAL", "TRP", "TYR",
)  # fmt: skip
NODE_COLUMNS = (
    "rasa",
    "phi",
    "psi",
    *(f"SS8_{state}" for state in range(len(dssp.STATES))),
    *(f"AA_{kind}" for kind in range(len(AMINO_ACIDS) + 1)),
    *topology.COLUMNS,
)
EDGE_COLUMNS = (
    "ca_distance",
    *(f"pairs_{low:g}_{'inf' if high is None else f'{high:g}'}" for low, high in BANDS),
)
_PUBLISHED_AXES = [0, 1, 1]
# Number of chains whose distances are listed where none touch.
_MOST_COMPARED = 30
# So that two atoms 5.000 A apart fall into [5, 6) whatever the arithmetic.
_TOLERANCE = 1e-9

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class GraphArrays:
    """One decoy's graph; n nodes, e directed edges, of each pair (i, j) then (j, i), i < j."""

    x: NDArray[np.float32]  # [n, 172]
    edge_index: Ints  # [2, e]
    edge_attr: NDArray[np.float32]  # [e, 11]
    residues: tuple[ResidueKey, ...]  # n
    left_out: tuple[tuple[ResidueKey, str], ...]  # residue, why
    notes: tuple[str, ...]


def build_graph(
    structure: Structure, compat: bool = False, partners: Partners | None = None
) -> GraphArrays:
    """Build the graph of the interface between different chains, or between two partners.

    With `compat` the edges' histograms take each atom as (x, y, y), as the published graphs do.

    Raises:
        DataError: no interface, or none of its residues has all features.
    """
    interface = _interface(structure, sides(structure, partners))
    whole = dssp.backbone(structure)
    row = whole.row(len(structure.residues))
    # Where no maximum is known for a residue, rasa is NaN: a missing part, like the backbone.
    rasa = surface.relative_surface(structure, interface.residues)
    complete = (row[interface.residues] >= 0) & np.isfinite(rasa)
    kept = interface.only(complete)
    if not len(kept.pairs):
        raise DataError(
            f"{structure.name}: no two interface residues are whole",
            details=[f"{key}: {why}" for key, why in _left_out(structure, interface, row)[:5]],
        )
    nodes = kept.residues
    basic = _basic_columns(structure, nodes, rasa[complete], whole, row)
    x = np.hstack([basic, min_max(topology.topology(structure, nodes))])
    edges = min_max(_edge_columns(structure, kept, compat))
    return GraphArrays(
        x=x.astype(np.float32),
        edge_index=np.stack([kept.pairs, kept.pairs[:, ::-1]], axis=1).reshape(-1, 2).T.copy(),
        edge_attr=np.repeat(edges, 2, axis=0).astype(np.float32),
        residues=tuple(structure.residues[index] for index in nodes),
        left_out=tuple(_left_out(structure, interface, row)),
        notes=structure.notes,
    )


def parameters(compat: bool) -> dict[str, Any]:
    """Return all parameters of the features, for the metadata."""
    return {
        "interface": {"atom": "CA", "distance_below": INTERFACE_REACH, "unit": "angstrom"},
        "rasa": {
            "surface": "DSSP: points on spheres, whole square angstroms",
            "points": surface.POINTS,
            "radii": {**surface.RADII, "side chain": surface.SIDE_CHAIN_RADIUS},
            "probe": surface.PROBE_RADIUS,
            "maxima": surface.MAXIMA,
            "cap": 1.0,
        },
        "angles": {
            "undefined": dssp.UNDEFINED_ANGLE,
            "decimals": 1,
            "scaling": "min-max over all residues of the complex",
        },
        "secondary_structure": {"states": list(dssp.STATES), "implementation": "mdtraj DSSP"},
        "amino_acids": [*AMINO_ACIDS, "other"],
        "topology": {
            "reach": topology.REACH,
            "selections": list(topology.SELECTIONS),
            "statistics": list(topology.STATISTICS),
            "shortest_bar": topology.SHORTEST_BAR,
            "f0": {"complex": "Vietoris-Rips", "longest_death": topology.LONGEST_DEATH},
            "f1": {"complex": "alpha", "filtration": "squared circumradius"},
            "coordinates": "single precision",
            "scaling": "min-max over the residues of the graph",
        },
        "edges": {
            "distance_below": INTERFACE_REACH,
            "bands": [list(band) for band in BANDS],
            "atoms": "all, hydrogens too",
            "atom_axes": "xyy" if compat else "xyz",
            "scaling": "min-max over the edges of the graph",
        },
    }


def min_max(columns: Floats) -> Floats:
    """Scale each column to 0..1; one that is constant becomes 0."""
    low = columns.min(axis=0)
    extent = columns.max(axis=0) - low
    return np.asarray((columns - low) / np.where(extent > 0, extent, 1.0))


@dataclass(frozen=True, eq=False)
class _Interface:
    residues: Ints  # [n] index into Structure.residues, ascending
    pairs: Ints  # [p, 2] i < j, index into `residues`, in order
    distances: Floats  # [p] between C-alphas

    def only(self, kept: Bools) -> _Interface:
        """Without the residues that are not kept."""
        number = np.cumsum(kept) - 1
        both = kept[self.pairs].all(axis=1)
        return _Interface(self.residues[kept], number[self.pairs[both]], self.distances[both])


def _interface(structure: Structure, side: Ints) -> _Interface:
    """Residues with a C-alpha less than 10 A from one of another side."""
    able = np.flatnonzero((structure.ca_atom >= 0) & (side >= 0))
    places = structure.coordinates[structure.ca_atom[able]]
    pairs = cKDTree(places).query_pairs(INTERFACE_REACH, output_type="ndarray")
    pairs = pairs[side[able[pairs[:, 0]]] != side[able[pairs[:, 1]]]]
    distances = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    near = distances < INTERFACE_REACH - _TOLERANCE
    members = np.unique(pairs[near])
    if not len(members):
        raise _no_interface(structure, side[able], places)
    # Two C-alphas at one place are near each other, but 0 A is no edge.
    edges = near & (distances > 0)
    numbered = np.searchsorted(members, np.sort(pairs[edges], axis=1))
    order = np.lexsort((numbered[:, 1], numbered[:, 0]))
    return _Interface(able[members], numbered[order], distances[edges][order])


def _no_interface(structure: Structure, side: Ints, places: Floats) -> DataError:
    groups = [places[side == one] for one in np.unique(side)]
    if len(groups) < 2:
        what = "one chain" if len(structure.chains) == 1 else "C-alphas in one partner only"
        return DataError(
            f"{structure.name}: {what} ({listed(structure.chains)}), so no interface",
            hint="A graph needs two chains in contact.",
        )
    details = []
    if len(groups) <= _MOST_COMPARED:
        pairs = itertools.combinations(groups, 2)
        nearest = min(cKDTree(one).query(other)[0].min() for one, other in pairs)
        details = [f"nearest: {nearest:.1f} A"]
    return DataError(
        f"{structure.name}: no interface: no C-alpha is within {INTERFACE_REACH:g} A of one of "
        "another chain",
        details=details,
        hint="Do the chains touch in this file? Are the partners the right ones?",
    )


def _left_out(
    structure: Structure, interface: _Interface, row: Ints
) -> list[tuple[ResidueKey, str]]:
    """Residues that are none of the graph's nodes for want of a part."""
    inside = set(interface.residues.tolist())
    missing: list[tuple[ResidueKey, str]] = []
    for index, key in enumerate(structure.residues):
        if structure.ca_atom[index] < 0:
            missing.append((key, "no C-alpha"))
        elif index in inside and row[index] < 0:
            missing.append((key, "backbone not whole"))
        elif index in inside and not np.isfinite(surface.maximum(key.name)):
            missing.append((key, "no largest surface known for this residue"))
    return missing


def _basic_columns(
    structure: Structure, nodes: Ints, rasa: Floats, whole: dssp.Backbone, row: Ints
) -> Floats:
    """[n, 32] surface, angles, one-hot secondary structure and amino acid."""
    rows = row[nodes]
    angles = min_max(np.stack([whole.phi, whole.psi], axis=1))[rows]
    states = np.eye(len(dssp.STATES))[dssp.secondary_structure(structure, whole)[rows]]
    place = {name: index for index, name in enumerate(AMINO_ACIDS)}
    kinds = [place.get(structure.residues[index].name, len(place)) for index in nodes]
    return np.hstack([rasa[:, None], angles, states, np.eye(len(place) + 1)[kinds]])


def _edge_columns(structure: Structure, interface: _Interface, compat: bool) -> Floats:
    """[p, 11] C-alpha distance and the histogram of all atom-atom distances of each pair."""
    points = np.vstack([structure.coordinates, structure.hydrogen_coordinates])
    owner = np.concatenate([structure.atom_residue, structure.hydrogen_residue])
    if compat:
        points = points[:, _PUBLISHED_AXES]
    clouds = [points[owner == index] for index in interface.residues]
    columns = np.empty((len(interface.pairs), len(EDGE_COLUMNS)))
    columns[:, 0] = interface.distances
    for row, (i, j) in enumerate(interface.pairs):
        columns[row, 1:] = histogram(cdist(clouds[i], clouds[j]))
    return columns


def histogram(distances: Floats) -> Floats:
    """Count the distances in `BANDS`; distances below 1 A are not counted."""
    band = np.minimum(np.floor(distances.ravel() + _TOLERANCE), len(BANDS)).astype(np.int64)
    return np.bincount(band, minlength=len(BANDS) + 1)[1:].astype(np.float64)
