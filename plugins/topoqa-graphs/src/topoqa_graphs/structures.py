"""Structures as arrays: read from PDB or mmCIF, moved, written.

What a file holds beyond the heavy atoms of amino acids in one conformation is left out here, once,
and said in `Structure.notes`; everything above this module can rely on plain arrays.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from topoqa_graphs.residues import Choice, ResidueKey, choose, symbol
from topoqa_train.api import DataError, write_bytes

if TYPE_CHECKING:
    import gemmi

__all__ = [
    "ENDINGS",
    "ResidueKey",
    "Structure",
    "is_structure_file",
    "model_name",
    "read_structure",
    "write_pdb",
]

PDB_ENDINGS = (".pdb", ".ent")
MMCIF_ENDINGS = (".cif", ".mmcif")
ENDINGS = tuple(
    ending + packed for packed in ("", ".gz") for ending in (*PDB_ENDINGS, *MMCIF_ENDINGS)
)
# The largest assemblies of the PDB stay below this; a small file that unpacks to more is a trap.
LARGEST_TEXT = 2**30
# Angstroms; a PDB file holds no more. Further out, what is computed in single precision (secondary
# structure, topology) would be noise.
FARTHEST = 10_000.0
_UNREADABLE = (RuntimeError, ValueError, IndexError, OverflowError)


@dataclass(frozen=True, eq=False)
class Structure:
    """The amino acids of one model of one file; "atoms" are its heavy atoms.

    Residues are sorted by `ResidueKey`, atoms by residue and then as in the file.
    """

    name: str
    residues: tuple[ResidueKey, ...]  # R
    atom_names: tuple[str, ...]  # A
    elements: tuple[str, ...]  # A: chemical symbols
    coordinates: NDArray[np.float64]  # [A, 3], angstroms
    atom_residue: NDArray[np.int64]  # [A], index into residues, ascending
    notes: tuple[str, ...] = field(default=())
    # Hydrogens (and deuterium) apart: most files have none, and no rule here wants them but the
    # histogram of an edge, which is defined over all atoms.
    hydrogen_names: tuple[str, ...] = field(default=())  # H
    hydrogen_coordinates: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    hydrogen_residue: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

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
        wanted = np.array([chain in chains for chain in self.chains])[self.residue_chain]

        def move(points: NDArray[np.float64], residue: NDArray[np.int64]) -> NDArray[np.float64]:
            turned = points @ np.asarray(rotation).T + np.asarray(shift)
            return np.where(wanted[residue][:, None], turned, points)

        return replace(
            self,
            coordinates=move(self.coordinates, self.atom_residue),
            hydrogen_coordinates=move(self.hydrogen_coordinates, self.hydrogen_residue),
        )


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

    Kept: amino acids that the file records as ATOM (not HETATM), hydrogens apart. Of alternate
    locations the one with the highest occupancy is kept. Residues without a C-alpha stay, with
    `ca_atom` -1. Chains and numbers are the authors', so that a PDB file and an mmCIF file of one
    entry give the same structure.

    Raises:
        DataError: the file can't be read, holds no amino acid, names one residue twice, or has
            coordinates beyond `FARTHEST`.
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
        return _as_arrays(path, parsed)
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
    owner = np.concatenate([structure.atom_residue, structure.hydrogen_residue])
    names = (*structure.atom_names, *structure.hydrogen_names)
    elements = (*structure.elements, *("H" for _ in structure.hydrogen_names))
    coordinates = np.vstack([structure.coordinates, structure.hydrogen_coordinates])
    previous: ResidueKey | None = None
    for serial, atom in enumerate(np.argsort(owner, kind="stable"), start=1):
        residue = structure.residues[owner[atom]]
        if previous is not None and residue.chain != previous.chain:
            yield "TER"
        previous = residue
        x, y, z = coordinates[atom]
        name, element = names[atom], elements[atom]
        padded = name if len(name) == 4 or len(element) == 2 else f" {name}"
        line = (
            f"ATOM  {serial % 100000:>5} {padded:<4} {residue.name:>3} {residue.chain:1}"
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


def _as_arrays(path: Path, parsed: gemmi.Structure) -> Structure:
    choice = choose(parsed[0], path)
    several = (f"first of {len(parsed)} models",) if len(parsed) > 1 else ()
    _check_reach(path, choice)
    return Structure(
        name=model_name(path),
        residues=choice.residues,
        atom_names=tuple(atom.name for _, atom in choice.heavy),
        elements=tuple(symbol(atom) for _, atom in choice.heavy),
        coordinates=_coordinates(choice.heavy),
        atom_residue=np.array([index for index, _ in choice.heavy], dtype=np.int64),
        notes=(*several, *choice.notes),
        hydrogen_names=tuple(atom.name for _, atom in choice.hydrogens),
        hydrogen_coordinates=_coordinates(choice.hydrogens),
        hydrogen_residue=np.array([index for index, _ in choice.hydrogens], dtype=np.int64),
    )


def _check_reach(path: Path, choice: Choice) -> None:
    for index, atom in (*choice.heavy, *choice.hydrogens):
        if max(map(abs, atom.pos.tolist())) > FARTHEST:
            raise DataError(
                f"{path}: coordinates beyond {FARTHEST:,.0f} A",
                details=[f"first: {choice.residues[index]}, atom {atom.name}"],
            )


def _coordinates(atoms: Sequence[tuple[int, gemmi.Atom]]) -> NDArray[np.float64]:
    return np.array([atom.pos.tolist() for _, atom in atoms], dtype=np.float64).reshape(-1, 3)
