"""Which of the shipped natives are relatives, and how they are split into train, val and test.

A split that parts relatives measures memory. Two complexes are relatives if any chain of one is
homologous to any chain of the other: by sequence (Smith-Waterman with BLOSUM62 and an expectation
value, as BLAST has it), or by a superfamily that sequences no longer show, which `FAMILIES` states
with its reason. Whole clusters, the connected components, go to one split.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": (
        *("1A2K", "1I2M", "1I4D", "1J2J", "1LFD", "1Z0K", "2OOB"),  # GTPases and partners
        *("1BVK", "1DQJ", "1E4K", "1KAC", "1MQ8", "1WEJ", "2I25"),  # immunoglobulins, lysozyme
        *("1CBW", "1EZU"),  # trypsin-like proteases
        *("1EER", "1PVH"),  # cytokines and receptors
        *("1BVN", "1EFN"),
    ),
    "val": (
        *("2ABZ", "4CPA"),  # carboxypeptidase A
        *("1EMV", "2WPT"),  # colicin E9
        *("1AK4", "1XQS"),
    ),
    "test": ("1B6C", "1EWY", "1FFW", "1US7", "2C0L", "2HRK"),
}
"""Fixed by hand from the clusters, before any training: the large clusters train, so that test is
six complexes unrelated to one another too, and val has four clusters."""


@dataclass(frozen=True)
class Family:
    """Complexes that share a superfamily (SCOP 1.75 code), and the chains that do."""

    superfamily: str
    members: Mapping[str, str]


FAMILIES: tuple[Family, ...] = (
    Family(
        "c.37.1 P-loop hydrolases, the Ras superfamily of GTPases",
        {
            "1A2K": "A Ran",
            "1I2M": "A Ran",
            "1I4D": "A Rac1",
            "1J2J": "A Arf1",
            "1LFD": "A Ras",
            "1Z0K": "A Rab4",
        },
    ),
    Family(
        "d.15.1 ubiquitin-like",
        {"1LFD": "B Ras-binding domain of RalGDS", "2OOB": "B ubiquitin"},
    ),
    Family(
        "b.1.1 immunoglobulins",
        {
            "1BVK": "A Fv D1.3",
            "1DQJ": "A Fab HyHEL-63",
            "1E4K": "A Fc of IgG1, B its receptor Fc-gamma-RIII",
            "1KAC": "B first domain of the coxsackie and adenovirus receptor",
            "1MQ8": "A ICAM-1",
            "1WEJ": "A Fab E8",
            "2I25": "A shark antigen receptor (VNAR)",
        },
    ),
    Family("d.2.1 lysozyme", {"1BVK": "B hen", "1DQJ": "B hen", "2I25": "B hen"}),
    Family("b.47.1 trypsin-like proteases", {"1CBW": "A chymotrypsin", "1EZU": "A trypsin"}),
    Family("c.56.5 Zn-dependent exopeptidases", {"2ABZ": "A", "4CPA": "A carboxypeptidase A"}),
    Family(
        "d.4.1 His-Me finger endonucleases and a.28.2 their immunity proteins",
        {"1EMV": "B colicin E9, A Im9", "2WPT": "B colicin E9, A Im2"},
    ),
    Family(
        "a.26.1 four-helical cytokines and b.1.2 fibronectin type III (their receptors)",
        {"1EER": "A erythropoietin, B its receptor", "1PVH": "B LIF, A gp130"},
    ),
)

# BLOSUM62 (Henikoff & Henikoff 1992); the rest of the alphabet (X) scores -1 with all.
_LETTERS = "ARNDCQEGHILKMFPSTWYV"
_BLOSUM62 = """
 4 -1 -2 -2  0 -1 -1  0 -2 -1 -1 -1 -1 -2 -1  1  0 -3 -2  0
-1  5  0 -2 -3  1  0 -2  0 -3 -2  2 -1 -3 -2 -1 -1 -3 -2 -3
-2  0  6  1 -3  0  0  0  1 -3 -3  0 -2 -3 -2  1  0 -4 -2 -3
-2 -2  1  6 -3  0  2 -1 -1 -3 -4 -1 -3 -3 -1  0 -1 -4 -3 -3
 0 -3 -3 -3  9 -3 -4 -3 -3 -1 -1 -3 -1 -2 -3 -1 -1 -2 -2 -1
-1  1  0  0 -3  5  2 -2  0 -3 -2  1  0 -3 -1  0 -1 -2 -1 -2
-1  0  0  2 -4  2  5 -2  0 -3 -3  1 -2 -3 -1  0 -1 -3 -2 -2
 0 -2  0 -1 -3 -2 -2  6 -2 -4 -4 -2 -3 -3 -2  0 -2 -2 -3 -3
-2  0  1 -1 -3  0  0 -2  8 -3 -3 -1 -2 -1 -2 -1 -2 -2  2 -3
-1 -3 -3 -3 -1 -3 -3 -4 -3  4  2 -3  1  0 -3 -2 -1 -3 -1  3
-1 -2 -3 -4 -1 -2 -3 -4 -3  2  4 -2  2  0 -3 -2 -1 -2 -1  1
-1  2  0 -1 -3  1  1 -2 -1 -3 -2  5 -1 -3 -1  0 -1 -3 -2 -2
-1 -1 -2 -3 -1  0 -2 -3 -2  1  2 -1  5  0 -2 -1 -1 -1 -1  1
-2 -3 -3 -3 -2 -3 -3 -3 -1  0  0 -3  0  6 -4 -2 -2  1  3 -1
-1 -2 -2 -1 -3 -1 -1 -2 -2 -3 -3 -1 -2 -4  7 -1 -1 -4 -3 -2
 1 -1  1  0 -1  0  0  0 -1 -2 -2  0 -1 -2 -1  4  1 -3 -2 -2
 0 -1  0 -1 -1 -1 -1 -2 -2 -1 -1 -1 -1 -2 -1  1  5 -2 -2  0
-3 -3 -4 -4 -2 -2 -3 -2 -2 -3 -2 -3 -1  1 -4 -3 -2 11  2 -3
-2 -2 -2 -3 -2 -1 -2 -3  2 -1 -1 -2 -1  3 -3 -2 -2  2  7 -1
 0 -3 -3 -3 -1 -2 -2 -3 -3  3  1 -2  1 -1 -2 -2  0 -3 -1  4
"""
GAP_OPEN, GAP_EXTEND = 11, 1
# Karlin-Altschul parameters of BLOSUM62 with these gap costs (Altschul et al. 1997).
_LAMBDA, _K = 0.267, 0.041
# The usual bound of a significant hit, for a search of one chain among all shipped chains.
SIGNIFICANT = 1e-3
# Dearer than any score: gaps do not run from one sequence into the next.
_WALL = 10**6


@dataclass(frozen=True)
class Homology:
    """Two chains of different complexes, and how many such hits chance would give."""

    first: tuple[str, str]
    second: tuple[str, str]
    expectation: float


def homologies(chains: Mapping[tuple[str, str], str], bound: float = SIGNIFICANT) -> list[Homology]:
    """All pairs of homologous chains of different complexes; `chains[name, chain]` = sequence."""
    keys = list(chains)
    total = sum(len(sequence) for sequence in chains.values())
    found = []
    for place, key in enumerate(keys):
        later = [other for other in keys[place + 1 :] if other[0] != key[0]]
        scores = local_scores(chains[key], [chains[other] for other in later])
        for other, score in zip(later, scores, strict=True):
            expectation = _K * len(chains[key]) * total * exp(-_LAMBDA * score)
            if expectation <= bound:
                found.append(Homology(key, other, expectation))
    return found


def local_scores(query: str, targets: Sequence[str]) -> list[int]:
    """Smith-Waterman scores of `query` with each target (affine gaps; Gotoh 1982).

    All targets lie end to end in one row of the recursion, with a wall before each.
    """
    if not targets:
        return []
    letters = np.concatenate([_codes(target) for target in targets])
    starts = np.cumsum([0, *(len(target) for target in targets[:-1])])
    ramp = np.arange(len(letters), dtype=np.int64) * GAP_EXTEND
    ramp += _WALL * np.searchsorted(starts, np.arange(len(letters)), side="right")
    table = _matrix()
    best = np.zeros(len(letters), dtype=np.int64)
    above = np.zeros_like(best)
    down = np.full_like(best, -_WALL)
    for code in _codes(query):
        diagonal = np.concatenate([[0], above[:-1]])
        diagonal[starts] = 0
        down = np.maximum(above - GAP_OPEN, down) - GAP_EXTEND
        here = np.maximum(np.maximum(diagonal + table[code, letters], down), 0)
        # A gap along the row: the best start so far, less its opening and its length.
        reach = np.maximum.accumulate(here + ramp)
        here = np.maximum(here, reach - ramp - GAP_OPEN)
        np.maximum(best, here, out=best)
        above = here
    return [int(score) for score in np.maximum.reduceat(best, starts)]


def clusters(
    names: Iterable[str], found: Iterable[Homology], families: Iterable[Family] = FAMILIES
) -> list[tuple[str, ...]]:
    """Return the connected components of related complexes, each sorted, largest first."""
    root = {name: name for name in names}

    def top(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    links = [(hit.first[0], hit.second[0]) for hit in found]
    for family in families:
        members = list(family.members)
        links += [(members[0], member) for member in members[1:]]
    for one, other in links:
        root[top(one)] = top(other)
    groups: dict[str, list[str]] = {}
    for name in sorted(root):
        groups.setdefault(top(name), []).append(name)
    return sorted((tuple(group) for group in groups.values()), key=lambda g: (-len(g), g))


def parted(
    groups: Iterable[tuple[str, ...]], splits: Mapping[str, tuple[str, ...]] = SPLITS
) -> list[tuple[str, ...]]:
    """Return the clusters whose members are in more than one split."""
    place = {name: split for split, members in splits.items() for name in members}
    return [group for group in groups if len({place[name] for name in group if name in place}) > 1]


def _matrix() -> Ints:
    """BLOSUM62 with a last row and column for unknown letters."""
    table = np.full((len(_LETTERS) + 1, len(_LETTERS) + 1), -1, dtype=np.int64)
    table[:-1, :-1] = np.array(_BLOSUM62.split(), dtype=np.int64).reshape(len(_LETTERS), -1)
    return table


def _codes(sequence: str) -> Ints:
    place = {letter: index for index, letter in enumerate(_LETTERS)}
    return np.array([place.get(letter, len(_LETTERS)) for letter in sequence], dtype=np.int64)
