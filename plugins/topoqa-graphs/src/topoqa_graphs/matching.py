"""Which residue of a decoy is which residue of the native.

Chains are matched by name (or by a mapping the caller gives), never guessed. Within a chain,
residue number and insertion code decide; where the numbering differs, a global alignment of the
sequences does, and a note records it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from topoqa_graphs.structures import Structure
from topoqa_train.errors import DataError

# By number is right if the names at the shared numbers agree; a few may differ (mutants).
_SAME_NAMES = 0.9
_SHARED_NUMBERS = 0.5
# Two chains below this identity are taken for different proteins, not for variants of one.
_SAME_PROTEIN = 0.5
# Cells of an alignment's table, a byte each and a few steps.
_LARGEST_ALIGNMENT = 10**8

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Matching:
    """Rows `decoy[k]` and `native[k]` (indexes into `Structure.residues`) are the same residue."""

    decoy: NDArray[np.int64]
    native: NDArray[np.int64]
    notes: tuple[str, ...]


def sequence(structure: Structure, residues: list[int]) -> str:
    """One-letter sequence of residues; modified ones as their parent, unknown ones as X."""
    letters = (
        gemmi.find_tabulated_residue(structure.residues[index].name).one_letter_code
        for index in residues
    )
    return "".join(letter.upper() if letter.strip() else "X" for letter in letters)


def residues_of(structure: Structure, chain: str) -> list[int]:
    """Indexes of the residues of one chain, in the structure's order."""
    return [index for index, key in enumerate(structure.residues) if key.chain == chain]


def aligned_pairs(first: str, second: str) -> Pairs:
    """Columns of a global alignment that have a residue on both sides.

    Identical letters score 1, others and gaps -1: right for two copies of one protein, not for
    remote relatives.
    """
    result = gemmi.align_string_sequences(
        list(first), list(second), [], gemmi.AlignmentScoring("s")
    )
    pairs: Pairs = []
    here = there = 0
    for above, below in zip(result.add_gaps(first, 1), result.add_gaps(second, 2), strict=True):
        if above != "-" and below != "-":
            pairs.append((here, there))
        here += above != "-"
        there += below != "-"
    return pairs


def match(decoy: Structure, native: Structure, chains: Mapping[str, str]) -> Matching:
    """Match the residues of the chains in `chains` (native's name to decoy's name).

    Raises:
        DataError: a chain's sequence is not that of its counterpart.
    """
    pairs: Pairs = []
    notes: list[str] = []
    for native_chain, decoy_chain in chains.items():
        here = residues_of(decoy, decoy_chain)
        there = residues_of(native, native_chain)
        found = _by_number(decoy, native, here, there)
        if found is None:
            found = _by_sequence(decoy, native, here, there, (decoy_chain, native_chain))
            notes.append(
                f"chain {native_chain}: numbering differs from the native's; "
                "residues matched by sequence alignment"
            )
        notes += _differences(decoy, native, found, len(there), native_chain)
        pairs += found
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Matching(table[:, 0], table[:, 1], tuple(notes))


def _by_number(
    decoy: Structure, native: Structure, here: list[int], there: list[int]
) -> Pairs | None:
    """Residues that share number and insertion code, or None if types differ."""
    at = {(decoy.residues[i].number, decoy.residues[i].insertion): i for i in here}
    keys = ((native.residues[j].number, native.residues[j].insertion, j) for j in there)
    pairs = [(at[number, code], j) for number, code, j in keys if (number, code) in at]
    same = sum(decoy.residues[i].name == native.residues[j].name for i, j in pairs)
    enough = len(pairs) >= _SHARED_NUMBERS * min(len(here), len(there))
    return pairs if pairs and enough and same >= _SAME_NAMES * len(pairs) else None


def _by_sequence(
    decoy: Structure,
    native: Structure,
    here: list[int],
    there: list[int],
    names: tuple[str, str],
) -> Pairs:
    mine, theirs = sequence(decoy, here), sequence(native, there)
    if len(mine) * len(theirs) > _LARGEST_ALIGNMENT:
        raise DataError(
            f"chain {names[0]} of {decoy.name} is numbered otherwise than in {native.name}, and "
            f"is too long to be aligned: {len(mine)} and {len(theirs)} residues",
            hint="Number the residues of both alike.",
        )
    columns = aligned_pairs(mine, theirs)
    same = sum(mine[i] == theirs[j] for i, j in columns)
    if not columns or same < _SAME_PROTEIN * min(len(mine), len(theirs)):
        raise DataError(
            f"chain {names[0]} of {decoy.name} is not the protein of chain {names[1]} "
            f"of {native.name}",
            details=[
                f"residue numbers do not fit, and an alignment of {len(mine)} with {len(theirs)} "
                f"residues has {same} identical"
            ],
            hint="Chains are matched by name: rename the decoy's chains or give the mapping.",
        )
    return [(here[i], there[j]) for i, j in columns]


def _differences(
    decoy: Structure, native: Structure, pairs: Pairs, total: int, chain: str
) -> list[str]:
    notes = []
    if len(pairs) < total:
        notes.append(
            f"chain {chain}: {total - len(pairs)} of the native's {total} residues are not in "
            "the decoy; only shared residues are compared"
        )
    other = sum(decoy.residues[i].name != native.residues[j].name for i, j in pairs)
    if other:
        notes.append(f"chain {chain}: {other} matched residues are of another type")
    return notes
