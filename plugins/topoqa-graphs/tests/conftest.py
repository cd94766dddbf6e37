"""Small structures made by rule, as text, and the folders that tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import topoqa_graphs

NATIVES = Path(topoqa_graphs.__file__).parent / "natives"
PUBLISHED = Path(__file__).parents[4] / "shared" / "peer"


@dataclass(frozen=True)
class Atom:
    """One line of a PDB file, or one row of an mmCIF file."""

    name: str
    residue: str
    chain: str
    number: int
    xyz: tuple[float, float, float]
    element: str | None = "C"
    insertion: str = ""
    altloc: str = ""
    occupancy: float = 1.0
    record: str = "ATOM"

    def pdb(self) -> str:
        element = self.element or ""
        name = self.name if len(self.name) == 4 or len(element) == 2 else f" {self.name}"
        x, y, z = self.xyz
        return (
            f"{self.record:<6}{1:>5} {name:<4}{self.altloc:1}{self.residue:>3} {self.chain:1}"
            f"{self.number:>4}{self.insertion:1}   {x:8.3f}{y:8.3f}{z:8.3f}"
            f"{self.occupancy:6.2f}{0:6.2f}          {element:>2}"
        )

    def mmcif(self) -> str:
        x, y, z = self.xyz
        values = (
            self.record, 1, self.element, self.name, self.altloc or ".", self.residue, "X", ".",
            self.chain, self.number, self.insertion or "?", x, y, z, self.occupancy,
        )  # fmt: skip
        return " ".join(str(value) for value in values)


_COLUMNS = (
    "group_PDB", "id", "type_symbol", "label_atom_id", "label_alt_id", "label_comp_id",
    "label_asym_id", "label_seq_id", "auth_asym_id", "auth_seq_id", "pdbx_PDB_ins_code",
    "Cartn_x", "Cartn_y", "Cartn_z", "occupancy",
)  # fmt: skip


def pdb_text(atoms: Sequence[Atom]) -> str:
    return "\n".join([*(atom.pdb() for atom in atoms), "END", ""])


def mmcif_text(atoms: Sequence[Atom]) -> str:
    head = ["data_x", "loop_", *(f"_atom_site.{column}" for column in _COLUMNS)]
    return "\n".join([*head, *(atom.mmcif() for atom in atoms), ""])


def strand(
    chain: str, names: Sequence[str], y: float = 0.0, first: int = 1, z: float = 0.0
) -> list[Atom]:
    """An extended chain along x, 3.8 A a residue, backbone and CB, C to N 1.3 A."""
    atoms = []
    for index, name in enumerate(names):
        x, up = 3.8 * index, 1.0 if index % 2 else -1.0
        places = (
            ("N", "N", (x - 1.2, y, z + 0.6 * up)),
            ("CA", "C", (x, y, z)),
            ("C", "C", (x + 1.3, y, z - 0.5 * up)),
            ("O", "O", (x + 1.4, y + 1.1, z - 0.6 * up)),
            ("CB", "C", (x, y - 0.9, z + 1.2 * up)),
        )
        atoms += [
            Atom(atom, name, chain, first + index, place, element)
            for atom, element, place in places
            if not (atom == "CB" and name == "GLY")
        ]
    return atoms


def two_strands(y: float = 5.0) -> list[Atom]:
    """Chains A and B side by side, `y` apart."""
    return [
        *strand("A", ["ALA", "LEU", "SER", "GLY", "LYS", "VAL"]),
        *strand("B", ["GLU", "TYR", "ALA", "ILE", "ASN", "THR"], y=y, z=1.0),
    ]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write text to a file of the test's own folder."""

    def put(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return put


@pytest.fixture
def quiet() -> Callable[..., object]:
    """A progress that shows nothing."""

    @contextmanager
    def show(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
        yield lambda steps=1: None

    return show


@pytest.fixture
def make() -> SimpleNamespace:
    """What tests make structures with: with this import mode they can't import this module."""
    return SimpleNamespace(
        Atom=Atom,
        strand=strand,
        two_strands=two_strands,
        pdb=pdb_text,
        mmcif=mmcif_text,
        changed=replace,
    )


@pytest.fixture(scope="session")
def natives() -> Path:
    """The folder of the shipped natives."""
    return NATIVES


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder of what the published code made; tests that need it skip without it."""
    if not PUBLISHED.is_dir():
        pytest.skip("needs ../shared/peer beside the checkout")
    return PUBLISHED
