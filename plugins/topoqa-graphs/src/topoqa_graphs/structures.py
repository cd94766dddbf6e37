"""Structures as arrays: read from PDB or mmCIF, moved, written.

What a file holds beyond the heavy atoms of amino acids in one conformation is left out here, once,
and recorded in `Structure.notes`; modules above this one work on plain arrays.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from topoqa_graphs.residues import Choice, ResidueKey, choose, symbol
from topoqa_train.api import DataError, open_file, read_file, write_bytes

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
# The largest assemblies of the PDB stay below this; a small file that unpacks to more than that
# many times its size is a trap (structures unpack to three to ten times theirs).
LARGEST_TEXT = 2**30
SMALL_TEXT = 2**25
MOST_UNPACKING = 50
_MOST_MEMBERS = 100_000
_NAMED = 30
_GZIP = 31  # zlib's way of saying so
# The parser's time goes with the square of these.
MOST_MODELS = 20_000
MOST_BLOCKS = 1_000
LONGEST_CHAIN = 50_000
MOST_CHAINS = 5_000
# See `_check_density`.
MOST_WITHIN_8 = 500
# Angstroms; a PDB file holds no more. Further out, what is computed in single precision (secondary
# structure, topology) would be noise.
FARTHEST = 10_000.0
_UNREADABLE = (RuntimeError, ValueError, IndexError, OverflowError)
_ATOM_LINE = re.compile(rb"^(?:ATOM|HETA).*", re.MULTILINE | re.IGNORECASE)
_MODEL_LINE = re.compile(rb"^MODE", re.MULTILINE | re.IGNORECASE)
_BLOCK = re.compile(rb"(?:^|\s)data_", re.IGNORECASE)
_NUMBER = re.compile(
    rb"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*|\s*[-+]?(?:nan|inf)\s*", re.I
)


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
    """Return the file's name without its endings: the MODEL of labels and metadata."""
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
        shown = [line[:200] for line in reason[:2]]
        raise DataError(f"{path}: can't be read as a structure", details=shown) from error


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
    return f"its chains: {listed(structure.chains)}"


def listed(names: Sequence[str], between: str = ", ") -> str:
    """Join the first few of possibly many names."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return between.join(names[:_NAMED]) + more


def _content(path: Path) -> bytes:
    """Return the file's text, unpacked, at most `LARGEST_TEXT` bytes."""
    try:
        if not path.name.lower().endswith(".gz"):
            return read_file(path, LARGEST_TEXT)
        with open_file(path) as file:
            return _unpacked(file, path)
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a whole gzip file", details=[str(error)]) from error
    except OSError as error:
        raise DataError(f"{path}: can't be read", details=[error.strerror or str(error)]) from error


def _unpacked(file: BinaryIO, path: Path) -> bytes:
    """All members of a gzip file, one after another, as far as they don't grow beyond measure."""
    text, packed, members = bytearray(), 0, 1
    member = zlib.decompressobj(wbits=_GZIP)
    while chunk := file.read(2**16):
        packed += len(chunk)
        most = min(LARGEST_TEXT, SMALL_TEXT + MOST_UNPACKING * packed)
        while chunk:
            if member.eof:
                chunk = chunk.lstrip(b"\0")  # padding, as tapes have it
                if not chunk:
                    break
                member, members = zlib.decompressobj(wbits=_GZIP), members + 1
            text += member.decompress(chunk, most + 1 - len(text))
            if len(text) > most or members > _MOST_MEMBERS:
                raise DataError(
                    f"{path}: unpacks to more than {most / 2**20:.0f} MiB, or to many thousand "
                    "parts, as no structure of its size does"
                )
            chunk = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise EOFError("it ends before its end")
    return bytes(text)


def _parsed(path: Path, content: bytes) -> gemmi.Structure:
    import gemmi

    lower = path.name.lower().removesuffix(".gz")
    if lower.endswith(PDB_ENDINGS):
        _check_count(path, "models", sum(1 for _ in _MODEL_LINE.finditer(content)), MOST_MODELS)
        _check_pdb_coordinates(path, content)
        return gemmi.read_pdb_string(content)
    _check_count(path, "blocks", sum(1 for _ in _BLOCK.finditer(content)), MOST_BLOCKS)
    for block in gemmi.cif.read_string(content):
        if block.find_values("_atom_site.Cartn_x"):
            _check_rows(path, block)
            return gemmi.make_structure_from_block(block)
    return gemmi.Structure()


def _check_pdb_coordinates(path: Path, content: bytes) -> None:
    """Reject coordinates that are not numbers, with the line: the parser would read them as 0."""
    for found in _ATOM_LINE.finditer(content):
        line = found.group()
        if not all(_NUMBER.fullmatch(line[start : start + 8]) for start in (30, 38, 46)):
            number = content.count(b"\n", 0, found.start()) + 1
            raise DataError(
                f"{path}:{number}: no coordinates in columns 31 to 54",
                details=[line[:60].decode("ascii", "replace")],
            )


def _check_rows(path: Path, block: gemmi.cif.Block) -> None:
    """Refuse what the parser would look for among very many models or residues of one chain."""

    def column(*names: str) -> Iterable[str]:
        found = (block.find_values(f"_atom_site.{name}") for name in names)
        return next((values for values in found if values), ())

    _check_count(path, "models", len(set(column("pdbx_PDB_model_num"))), MOST_MODELS)
    naming = (
        column("auth_asym_id", "label_asym_id"),
        column("auth_seq_id", "label_seq_id"),
        column("auth_comp_id", "label_comp_id"),
        column("pdbx_PDB_ins_code"),
    )
    residues = set(zip(*(values for values in naming if values), strict=False))
    in_chain = Counter(chain for chain, *_ in residues)
    _check_count(path, "residues in one chain", max(in_chain.values(), default=0), LONGEST_CHAIN)


def _check_count(path: Path, things: str, count: int, most: int) -> None:
    if count > most:
        raise DataError(f"{path}: {count} {things}; the limit is {most}")


def _as_arrays(path: Path, parsed: gemmi.Structure) -> Structure:
    choice = choose(parsed[0], path)
    _check_count(path, "chains", len({key.chain for key in choice.residues}), MOST_CHAINS)
    _check_reach(path, choice)
    _check_density(path, choice)
    several = (f"first of {len(parsed)} models",) if len(parsed) > 1 else ()
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


def _check_density(path: Path, choice: Choice) -> None:
    """Refuse what no molecule is: all that is computed goes with the square of the density.

    In proteins up to 200 heavy atoms lie within 8 A of one, where two interpenetrate up to 400.
    """
    from scipy.spatial import cKDTree

    points = _coordinates(choice.heavy)
    if not len(points):
        return
    tree = cKDTree(points)
    # Summed first, which takes no time however dense they are.
    fits = tree.count_neighbors(tree, 8.0) <= MOST_WITHIN_8 * len(points)
    if fits and max(tree.query_ball_point(points, 8.0, return_length=True)) <= MOST_WITHIN_8:
        return
    raise DataError(
        f"{path}: more than {MOST_WITHIN_8} atoms within 8 A of one, as no protein has",
        hint="Do several models or copies lie on one another in this file?",
    )


def _coordinates(atoms: Sequence[tuple[int, gemmi.Atom]]) -> NDArray[np.float64]:
    return np.array([atom.pos.tolist() for _, atom in atoms], dtype=np.float64).reshape(-1, 3)
