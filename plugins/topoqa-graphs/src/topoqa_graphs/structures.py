"""Structures as arrays: read from PDB or mmCIF, moved, written.

What a file holds beyond the heavy atoms of amino acids in one conformation is left out here, once,
and said in `Structure.notes`; everything above this module can rely on plain arrays.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from topoqa_train.api import DataError, write_bytes

if TYPE_CHECKING:
    import gemmi

PDB_ENDINGS = (".pdb", ".ent")
MMCIF_ENDINGS = (".cif", ".mmcif")
ENDINGS = tuple(
    ending + packed for packed in ("", ".gz") for ending in (*PDB_ENDINGS, *MMCIF_ENDINGS)
)
# The largest assemblies of the PDB stay below this; a small file that unpacks to more is a trap.
LARGEST_TEXT = 2**30
_NAMED = 6
# Two C-alphas of one name this close are one residue given twice, further apart two residues.
_ONE_RESIDUE = 2.0
_UNREADABLE = (RuntimeError, ValueError, IndexError, OverflowError)


@dataclass(frozen=True, order=True)
class ResidueKey:
    """What names a residue; ordered by chain, number, insertion code and residue name."""

    chain: str
    number: int
    insertion: str
    name: str

    def __str__(self) -> str:
        return f"{self.chain or '(no chain name)'} {self.number}{self.insertion} {self.name}"


@dataclass(frozen=True, eq=False)
class Structure:
    """The heavy atoms of the amino acids of one model of one file.

    Residues are sorted by `ResidueKey`, atoms by residue and then as in the file.
    """

    name: str
    residues: tuple[ResidueKey, ...]  # R
    atom_names: tuple[str, ...]  # A
    elements: tuple[str, ...]  # A: chemical symbols
    coordinates: NDArray[np.float64]  # [A, 3], angstroms
    atom_residue: NDArray[np.int64]  # [A], index into residues, ascending
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def chains(self) -> tuple[str, ...]:
        """Names of the chains, sorted."""
        return tuple(sorted({residue.chain for residue in self.residues}))

    @cached_property
    def residue_chain(self) -> NDArray[np.int64]:
        """[R] index of each residue's chain into `chains`."""
        place = {chain: index for index, chain in enumerate(self.chains)}
        return np.array([place[residue.chain] for residue in self.residues], dtype=np.int64)

    @cached_property
    def residue_start(self) -> NDArray[np.int64]:
        """[R + 1] first atom of each residue; the last entry is the number of atoms."""
        return np.searchsorted(self.atom_residue, np.arange(len(self.residues) + 1))

    @cached_property
    def ca_atom(self) -> NDArray[np.int64]:
        """[R] index of each residue's C-alpha, -1 where it has none."""
        found = np.full(len(self.residues), -1, dtype=np.int64)
        for atom, (name, element) in enumerate(zip(self.atom_names, self.elements, strict=True)):
            if name == "CA" and element == "C":
                found[self.atom_residue[atom]] = atom
        return found

    def moved(
        self, rotation: NDArray[np.float64], shift: NDArray[np.float64], chains: Collection[str]
    ) -> Structure:
        """Turn and shift the given chains: each of their atoms x becomes `rotation @ x + shift`."""
        unknown = sorted(set(chains) - set(self.chains))
        if unknown:
            raise DataError(
                f"{self.name} has no chain {', '.join(unknown)}", details=[_chains(self)]
            )
        wanted = np.array([chain in chains for chain in self.chains])
        atoms = wanted[self.residue_chain][self.atom_residue]
        coordinates = self.coordinates.copy()
        coordinates[atoms] = coordinates[atoms] @ np.asarray(rotation).T + np.asarray(shift)
        return replace(self, coordinates=coordinates)


def is_structure_file(path: Path) -> bool:
    """Whether the name's ending is one that `read_structure` reads."""
    return path.name.lower().endswith(ENDINGS)


def model_name(path: Path) -> str:
    """The file's name without its endings: what MODEL is in labels and metadata."""
    lower = path.name.lower()
    ending = max((e for e in ENDINGS if lower.endswith(e)), key=len, default="")
    return path.name[: len(path.name) - len(ending)]


def read_structure(path: Path) -> Structure:
    """Read the first model of a PDB or mmCIF file, plain or gzip.

    Kept: heavy atoms of amino acids that the file records as ATOM (not HETATM). Of alternate
    locations the one with the highest occupancy is kept. Residues without a C-alpha stay, with
    `ca_atom` -1. Chains and numbers are the authors', so that a PDB file and an mmCIF file of one
    entry give the same structure.

    Raises:
        DataError: the file can't be read, holds no amino acid, or names one residue twice.
    """
    if not is_structure_file(path):
        raise DataError(
            f"{path}: not a structure file by its name", hint=f"Known: {', '.join(ENDINGS)}."
        )
    content = _content(path)
    try:
        parsed = _parsed(path, content)
        if len(parsed) == 0:
            raise DataError(
                f"{path}: no atoms in it", hint="Is it empty, cut short or no structure?"
            )
        return _Reader(path, several_models=len(parsed)).read(parsed[0])
    except _UNREADABLE as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{path}: can't be read as a structure", details=reason[:2]) from error


def write_pdb(structure: Structure, path: Path) -> None:
    """Write a PDB file (packed where the name ends in .gz), atomically and the same each time.

    Raises:
        DataError: chain names, numbers or coordinates do not fit into the columns of the format.
    """
    text = "\n".join([*_pdb_lines(structure), "END", ""]).encode("ascii")
    write_bytes(path, gzip.compress(text, mtime=0) if path.name.endswith(".gz") else text)


def _pdb_lines(structure: Structure) -> Iterable[str]:
    previous: ResidueKey | None = None
    for atom, name in enumerate(structure.atom_names):
        residue = structure.residues[structure.atom_residue[atom]]
        if previous is not None and residue.chain != previous.chain:
            yield "TER"
        previous = residue
        x, y, z = structure.coordinates[atom]
        element = structure.elements[atom]
        padded = name if len(name) == 4 or len(element) == 2 else f" {name}"
        line = (
            f"ATOM  {(atom + 1) % 100000:>5} {padded:<4} {residue.name:>3} {residue.chain:1}"
            f"{residue.number:>4}{residue.insertion:1}   {x:8.3f}{y:8.3f}{z:8.3f}"
            f"{1:6.2f}{0:6.2f}          {element.upper():>2}"
        )
        if len(line) != 78 or not line.isascii():
            raise DataError(
                f"{structure.name}: residue {residue}, atom {name}, does not fit into a PDB file",
                hint="That format has one letter for a chain and four digits for a number.",
            )
        yield line
    yield "TER"


def _chains(structure: Structure) -> str:
    return f"its chains: {', '.join(structure.chains)}"


def _content(path: Path) -> bytes:
    """The file's text, unpacked, never more than `LARGEST_TEXT` bytes."""
    try:
        packed = path.name.lower().endswith(".gz")
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(LARGEST_TEXT + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file", details=[str(error)]) from error
    except OSError as error:
        raise DataError(f"{path}: can't be read", details=[error.strerror or str(error)]) from error
    if len(content) > LARGEST_TEXT:
        raise DataError(f"{path}: unpacks to more than {LARGEST_TEXT / 2**20:.0f} MiB")
    return content


def _parsed(path: Path, content: bytes) -> gemmi.Structure:
    import gemmi

    lower = path.name.lower().removesuffix(".gz")
    if lower.endswith(PDB_ENDINGS):
        _check_pdb_coordinates(path, content)
        return gemmi.read_pdb_string(content)
    for block in gemmi.cif.read_string(content):
        if block.find_values("_atom_site.Cartn_x"):
            return gemmi.make_structure_from_block(block)
    return gemmi.Structure()


def _check_pdb_coordinates(path: Path, content: bytes) -> None:
    """The parser takes what is no number for 0; here it is an error that names the line."""
    for number, line in enumerate(content.splitlines(), start=1):
        if line[:6] not in (b"ATOM  ", b"HETATM"):
            continue
        try:
            float(line[30:38]), float(line[38:46]), float(line[46:54])
        except ValueError:
            raise DataError(
                f"{path}:{number}: no coordinates in columns 31 to 54",
                details=[line[:60].decode("ascii", "replace")],
            ) from None


class _Reader:
    """One reading of one model; gathers what it leaves out on the way."""

    def __init__(self, path: Path, several_models: int) -> None:
        self.path = path
        self.models = several_models
        self.hydrogens = 0
        self.unplaced = 0
        self.hetero: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        self.alternate: list[ResidueKey] = []
        self.doubled: list[ResidueKey] = []
        self.replaced: list[str] = []

    def read(self, model: gemmi.Model) -> Structure:
        kept: dict[tuple[str, int, str], tuple[ResidueKey, list[gemmi.Atom]]] = {}
        for chain in model:
            for residue in chain:
                if not self._wanted(residue):
                    continue
                number = residue.seqid.num
                if number is None:
                    raise DataError(f"{self.path}: a residue {residue.name} has no number")
                key = ResidueKey(chain.name, number, residue.seqid.icode.strip(), residue.name)
                atoms = list(residue)
                place = (key.chain, key.number, key.insertion)
                if place in kept:
                    key, atoms = self._better(kept[place], (key, atoms))
                kept[place] = (key, atoms)
        chosen = {key: self._atoms(key, atoms) for key, atoms in kept.values()}
        return self._structure({key: chosen[key] for key in sorted(chosen) if chosen[key]})

    def _wanted(self, residue: gemmi.Residue) -> bool:
        """Amino acids of ATOM records; an unknown name counts as one if it has a C-alpha."""
        import gemmi

        if residue.het_flag == "H":
            self.hetero[residue.name] += 1
            return False
        known = gemmi.find_tabulated_residue(residue.name)
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
        """Heavy atoms with coordinates, one for each name."""
        placed: list[gemmi.Atom] = []
        for atom in atoms:
            if _is_hydrogen(atom):
                self.hydrogens += 1
            elif not np.isfinite(atom.pos.tolist()).all():
                self.unplaced += 1
            else:
                placed.append(atom)
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
        """The atom with the highest occupancy; at a tie that of the residue's main conformer."""
        if len(group) == 1:
            return group[0]
        if len({atom.altloc for atom in group}) == len(group):
            said = self.alternate
        else:
            said = self.doubled
            if group[0].name == "CA" and group[0].pos.dist(group[1].pos) > _ONE_RESIDUE:
                raise self._twice(key, key)
        if key not in said[-1:]:
            said.append(key)
        return max(group, key=lambda atom: (atom.occ, weight[atom.altloc]))

    def _twice(self, one: ResidueKey, other: ResidueKey) -> DataError:
        there = f"{one} is in it twice" if one == other else f"{one} and {other} share a number"
        return DataError(
            f"{self.path}: residue {there}",
            hint="Two chains under one name? Give each chain a name of its own.",
        )

    def _structure(self, chosen: dict[ResidueKey, list[gemmi.Atom]]) -> Structure:
        if not chosen:
            raise DataError(
                f"{self.path}: no amino acids in it", details=list(self._notes(())) or ["no atoms"]
            )
        atoms = [atom for group in chosen.values() for atom in group]
        return Structure(
            name=model_name(self.path),
            residues=tuple(chosen),
            atom_names=tuple(atom.name for atom in atoms),
            elements=tuple(_element(atom) for atom in atoms),
            coordinates=np.array([atom.pos.tolist() for atom in atoms], dtype=np.float64),
            atom_residue=np.repeat(np.arange(len(chosen)), [len(g) for g in chosen.values()]),
            notes=tuple(self._notes(tuple(chosen))),
        )

    def _notes(self, residues: Sequence[ResidueKey]) -> Iterable[str]:
        """In words, what was dealt with and how."""
        if self.models > 1:
            yield f"first of {self.models} models"
        if self.hetero:
            yield f"hetero residues left out: {_counted(self.hetero)}"
        if self.foreign:
            yield f"residues that are no amino acids left out: {_counted(self.foreign)}"
        if self.hydrogens:
            yield f"{self.hydrogens} hydrogens left out"
        if self.unplaced:
            yield f"{self.unplaced} atoms without coordinates left out"
        if self.alternate:
            yield f"alternate locations, highest occupancy kept: {_named(self.alternate)}"
        if self.replaced:
            yield f"mixed sites, higher occupancy kept: {_named(self.replaced)}"
        if self.doubled:
            yield f"atoms given twice, highest occupancy kept: {_named(self.doubled)}"
        if inserted := [residue for residue in residues if residue.insertion]:
            yield f"residues with insertion codes: {_named(inserted)}"


def _is_hydrogen(atom: gemmi.Atom) -> bool:
    """By element, and by name where the file gives none (`HG` is then no mercury)."""
    return atom.is_hydrogen() or re.match(r"\d*[HD]", atom.name) is not None


def _element(atom: gemmi.Atom) -> str:
    """The symbol; of an atom of unknown element, the first letter of its name."""
    symbol = str(atom.element.name)
    if symbol != "X":
        return symbol
    letters = re.search(r"[A-Za-z]", atom.name)
    return letters.group().upper() if letters else "X"


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} x{count}" for name, count in sorted(counts.items()))


def _named(things: Sequence[object]) -> str:
    more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    return f"{', '.join(str(thing) for thing in things[:_NAMED])}{more}"
