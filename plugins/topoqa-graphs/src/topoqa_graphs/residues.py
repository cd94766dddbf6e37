"""Select the residues and atoms of a parsed model, and record what is left out.

A file holds more than the amino acids in one conformation; what is left out is left out here, and
`Choice.notes` records it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from topoqa_train.api import DataError

if TYPE_CHECKING:
    import gemmi

# Heavy atoms of a whole residue within a chain.
HEAVY_ATOMS = {
    "ALA": 5, "ARG": 11, "ASN": 8, "ASP": 8, "CYS": 6, "GLN": 9, "GLU": 9, "GLY": 4, "HIS": 10,
    "ILE": 8, "LEU": 8, "LYS": 9, "MET": 8, "PHE": 11, "PRO": 7, "SER": 6, "THR": 7, "TRP": 14,
    "TYR": 12, "VAL": 7,
}  # fmt: skip
_LONG_SYMBOLS = ("Se", "Cl", "Br")
_NAMED = 6
_KINDS = 20
_LONGEST_NAME = 20
# Conformers and hydrogens counted.
_MOST_ATOMS = 1_000
# Two C-alphas of one name this close are one residue given twice, further apart two residues.
_ONE_RESIDUE = 2.0


@dataclass(frozen=True, order=True)
class ResidueKey:
    """What names a residue; ordered by chain, number, insertion code and residue name."""

    chain: str
    number: int
    insertion: str
    name: str

    def __str__(self) -> str:
        return f"{self.chain or '(no chain name)'} {self.number}{self.insertion} {self.name}"


@dataclass(frozen=True)
class Choice:
    """Sorted residues, and their atoms with the residue's index: heavy ones and hydrogens."""

    residues: tuple[ResidueKey, ...]
    heavy: list[tuple[int, gemmi.Atom]]
    hydrogens: list[tuple[int, gemmi.Atom]]
    notes: tuple[str, ...]


def choose(model: gemmi.Model, path: Path) -> Choice:
    """Choose the amino acids of `model`, and of each one conformation.

    Raises:
        DataError: there are none, or one place in a chain is taken twice.
    """
    return _Chooser(path).choose(model)


class _Chooser:
    """One choice from one model; gathers what it leaves out on the way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unplaced = 0
        self.modified: Counter[str] = Counter()
        self.hetero: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        self.alternate: list[ResidueKey] = []
        self.doubled: list[ResidueKey] = []
        self.replaced: list[str] = []

    def choose(self, model: gemmi.Model) -> Choice:
        kept: dict[tuple[str, int, str], tuple[ResidueKey, list[gemmi.Atom]]] = {}
        for chain in model:
            for residue in chain:
                if not self._wanted(residue):
                    continue
                key = self._key(chain.name, residue)
                place = (key.chain, key.number, key.insertion)
                found = (key, list(residue))
                if len(residue) > _MOST_ATOMS:
                    raise DataError(
                        f"{self.path}: residue {key} has {len(residue)} atoms",
                        details=[f"more than {_MOST_ATOMS} are none of an amino acid"],
                    )
                if place not in kept:
                    kept[place] = found
                elif kept[place][0] == key:
                    # Written in two parts: a second conformer, hydrogens at the end.
                    kept[place][1].extend(found[1])
                else:
                    kept[place] = self._better(kept[place], found)
        chosen = {key: self._atoms(key, atoms) for key, atoms in kept.values()}
        residues = tuple(key for key in sorted(chosen) if chosen[key])
        if not residues:
            raise DataError(
                f"{self.path}: no amino acids in it", details=[*self._notes(())] or ["no atoms"]
            )
        pairs = [(index, atom) for index, key in enumerate(residues) for atom in chosen[key]]
        heavy: list[tuple[int, gemmi.Atom]] = []
        light: list[tuple[int, gemmi.Atom]] = []
        for pair in pairs:
            (light if _is_hydrogen(pair[1]) else heavy).append(pair)
        notes = (*self._notes(residues), *_notes_on_atoms(residues, heavy, light))
        return Choice(residues, heavy, light, notes)

    def _key(self, chain: str, residue: gemmi.Residue) -> ResidueKey:
        """Chain, number and insertion code are the authors'; without a number the entity's."""
        number = residue.seqid.num if residue.seqid.num is not None else residue.label_seq
        self._check_names(chain, residue)
        if number is None:
            raise DataError(f"{self.path}: a residue {residue.name} has no number")
        return ResidueKey(chain, number, residue.seqid.icode.strip(), residue.name)

    def _check_names(self, chain: str, residue: gemmi.Residue) -> None:
        for name in (chain, residue.name, residue.seqid.icode, *(atom.name for atom in residue)):
            if len(name) > _LONGEST_NAME or not name.isprintable():
                raise DataError(
                    f"{self.path}: a name that no chain, residue or atom has: {name[:20]!r}"
                )

    def _wanted(self, residue: gemmi.Residue) -> bool:
        """Amino acids of ATOM records; an unknown name counts as one if it has a C-alpha."""
        import gemmi

        known = gemmi.find_tabulated_residue(residue.name)
        if residue.het_flag == "H":
            (self.modified if known.is_amino_acid() else self.hetero)[residue.name] += 1
            return False
        if known.is_amino_acid() or any(
            atom.name == "CA" and atom.element.name == "C" for atom in residue
        ):
            return True
        self.foreign[residue.name] += 1
        return False

    def _better(
        self,
        one: tuple[ResidueKey, list[gemmi.Atom]],
        other: tuple[ResidueKey, list[gemmi.Atom]],
    ) -> tuple[ResidueKey, list[gemmi.Atom]]:
        """Of two residues at one place (a mixed site) the one with the higher occupancy."""
        if not any(atom.has_altloc() for _, atoms in (one, other) for atom in atoms):
            raise self._twice(one[0], other[0])
        first, second = sorted((one, other), key=lambda part: -max(a.occ for a in part[1]))
        self.replaced.append(f"{first[0]} (over {second[0].name})")
        return first

    def _atoms(self, key: ResidueKey, atoms: Sequence[gemmi.Atom]) -> list[gemmi.Atom]:
        """Atoms with coordinates, one for each name."""
        placed = [atom for atom in atoms if math.isfinite(sum(atom.pos.tolist()))]
        self.unplaced += len(atoms) - len(placed)
        if len({atom.name for atom in placed}) == len(placed):
            return placed
        by_name: dict[str, list[gemmi.Atom]] = {}
        for atom in placed:
            by_name.setdefault(atom.name, []).append(atom)
        weight: dict[str, float] = {}
        for atom in placed:
            weight[atom.altloc] = weight.get(atom.altloc, 0.0) + atom.occ
        return [self._one(key, group, weight) for group in by_name.values()]

    def _one(
        self, key: ResidueKey, group: list[gemmi.Atom], weight: Mapping[str, float]
    ) -> gemmi.Atom:
        """Return the atom with the highest occupancy; at a tie that of the main conformer."""
        if len(group) == 1:
            return group[0]
        if len({atom.altloc for atom in group}) == len(group):
            notes = self.alternate
        else:
            notes = self.doubled
            if group[0].name == "CA" and group[0].pos.dist(group[1].pos) > _ONE_RESIDUE:
                raise self._twice(key, key)
        if key not in notes[-1:]:
            notes.append(key)
        return max(group, key=lambda atom: (atom.occ, weight[atom.altloc]))

    def _twice(self, one: ResidueKey, other: ResidueKey) -> DataError:
        there = f"{one} is in it twice" if one == other else f"{one} and {other} share a number"
        return DataError(
            f"{self.path}: residue {there}",
            hint="Two chains under one name? Give each chain a name of its own.",
        )

    def _notes(self, residues: Sequence[ResidueKey]) -> Iterable[str]:
        """In words, what was dealt with and how."""
        if self.hetero:
            yield f"hetero residues left out: {_counted(self.hetero)}"
        if self.modified:
            yield f"modified amino acids (HETATM) left out: {_counted(self.modified)}"
        if self.foreign:
            yield f"residues that are no amino acids left out: {_counted(self.foreign)}"
        if self.unplaced:
            yield f"{_many(self.unplaced, 'atom')} without coordinates left out"
        if self.alternate:
            yield f"alternate locations, highest occupancy kept: {_named(self.alternate)}"
        if self.replaced:
            yield f"mixed sites, higher occupancy kept: {_named(self.replaced)}"
        if self.doubled:
            yield f"atoms given twice, highest occupancy kept: {_named(self.doubled)}"
        if inserted := [residue for residue in residues if residue.insertion]:
            yield f"residues with insertion codes: {_named(inserted)}"


def _notes_on_atoms(
    residues: Sequence[ResidueKey],
    heavy: Sequence[tuple[int, gemmi.Atom]],
    light: Sequence[tuple[int, gemmi.Atom]],
) -> Iterable[str]:
    """Note the hydrogens, and the residues that are incomplete."""
    if light:
        yield f"{_many(len(light), 'hydrogen')}: counted in the histograms of edges only"
    found = [0] * len(residues)
    alpha = [False] * len(residues)
    for index, atom in heavy:
        found[index] += atom.name != "OXT"
        alpha[index] |= atom.name == "CA"
    partly = [
        residue
        for residue, count in zip(residues, found, strict=True)
        if count < HEAVY_ATOMS.get(residue.name, 0)
    ]
    if partly:
        yield f"{_many(len(partly), 'residue')} with atoms missing: {_named(partly)}"
    if without := [r for r, there in zip(residues, alpha, strict=True) if not there]:
        count = _many(len(without), "residue")
        yield f"{count} without C-alpha, never part of an interface: {_named(without)}"


def _is_hydrogen(atom: gemmi.Atom) -> bool:
    """By element, and by name where the file gives none (`HG` is then no mercury)."""
    return atom.is_hydrogen() or atom.name.lstrip("0123456789")[:1] in ("H", "D")


def symbol(atom: gemmi.Atom) -> str:
    """Return the chemical symbol of an amino acid's atom.

    Where a file gives names in the wrong columns and no elements, `CA` is taken for calcium and
    `CD` for cadmium by the parser; in an amino acid they are carbon.
    """
    given = str(atom.element.name)
    if given != "X" and (len(given) == 1 or given in _LONG_SYMBOLS):
        return given
    letter = re.search(r"[A-Za-z]", atom.name)
    return letter.group().upper() if letter else "X"


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _counted(counts: Counter[str]) -> str:
    named = [f"{name[:_LONGEST_NAME]} x{count}" for name, count in sorted(counts.items())]
    more = f" and {len(named) - _KINDS} more" if len(named) > _KINDS else ""
    return f"{', '.join(named[:_KINDS])}{more}"


def _named(things: Sequence[object]) -> str:
    more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    return f"{', '.join(str(thing) for thing in things[:_NAMED])}{more}"
