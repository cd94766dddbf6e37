"""Which chains are whose: the two partners of a complex, each of one chain or several."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from topoqa_graphs.structures import Structure, listed
from topoqa_train.api import DataError, RequestError, read_file

Partners = tuple[tuple[str, ...], tuple[str, ...]]
_LARGEST_TABLE = 2**26
_HINT = "Write them as AB:C, chains A and B against C; longer names with commas: A1,A2:B1."


def parse_partners(text: str) -> Partners:
    """Read `AB:C` (one letter a chain) or `A1,A2:B1,` (names with commas).

    A side without a comma is one letter a chain; `suited` takes it for one name where the
    structure has a chain of that name.

    Raises:
        RequestError: not two sides, or an empty one.
    """
    sides = [
        tuple(name for name in side.split(",") if name) if "," in side else tuple(side)
        for side in (part.strip() for part in text.split(":"))
    ]
    if len(sides) != 2 or not all(sides):
        raise RequestError(f"{text[:60]!r} does not name two partners", hint=_HINT)
    return sides[0], sides[1]


def suited(partners: Partners, structure: Structure) -> Partners:
    """Return the same partners in names that `structure` has.

    Raises:
        DataError: a chain that it does not have, or one named twice.
    """
    first, second = (_side(side, structure) for side in partners)
    names = (*first, *second)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(
            f"the partners do not suit {structure.name}: chain {listed(twice)} is named twice",
            hint=_HINT,
        )
    missing = [chain for chain in names if chain not in structure.chains]
    if missing:
        raise DataError(
            f"{structure.name} has no chain {listed(missing)}, which --partners names",
            details=[f"its chains: {listed(structure.chains)}"],
            hint=_HINT,
        )
    return first, second


def as_text(partners: Partners) -> str:
    """As `parse_partners` reads it."""
    return ":".join(
        "".join(side) if all(len(name) == 1 for name in side) else ",".join((*side, ""))
        for side in partners
    )


def sides(structure: Structure, partners: Partners | None) -> NDArray[np.int64]:
    """[R] the side of each residue: an interface is between residues of different sides.

    Without partners each chain is a side of its own; with them a chain that belongs to neither
    has side -1 and no part in any interface.
    """
    if partners is None:
        return structure.residue_chain
    first, second = suited(partners, structure)
    side = np.array([0 if c in first else 1 if c in second else -1 for c in structure.chains])
    chosen: NDArray[np.int64] = side[structure.residue_chain]
    return chosen


@dataclass(frozen=True)
class PartnerTable:
    """Partners for each decoy: one for all, or by MODEL or TARGET from a table."""

    everyone: Partners | None = None
    by_name: dict[str, Partners] = field(default_factory=dict)

    def of(self, model: str, target: str) -> Partners | None:
        """Of a decoy: its own entry, else its target's, else everyone's (None: all chains)."""
        return self.by_name.get(model) or self.by_name.get(target) or self.everyone


def read_partners(option: str | None) -> PartnerTable:
    """Parse the value of `--partners`: `AB:C`, or a CSV file with PARTNERS and MODEL or TARGET.

    Raises:
        RequestError: neither of these; the message names the invalid lines.
    """
    if option is None:
        return PartnerTable()
    if option.lower().endswith(".csv"):
        return PartnerTable(by_name=_table(Path(option)))
    return PartnerTable(everyone=parse_partners(option))


def _side(side: Sequence[str], structure: Structure) -> tuple[str, ...]:
    whole = "".join(side)
    return (whole,) if len(side) > 1 and whole in structure.chains else tuple(side)


def _table(path: Path) -> dict[str, Partners]:
    try:
        text = read_file(path, _LARGEST_TABLE).decode("utf-8-sig")
    except OSError as error:
        raise RequestError(f"{path}: can't be read", details=[error.strerror or ""]) from error
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not a text file in UTF-8") from error
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = rows.fieldnames or []
        key = next((name for name in ("MODEL", "TARGET") if name in columns), None)
        if key is None or "PARTNERS" not in columns:
            raise RequestError(
                f"{path}:1: needs a column PARTNERS, and MODEL or TARGET",
                details=[f"its columns: {listed([name[:40] for name in columns]) or 'none'}"],
            )
        return {row[key] or "": _partners_of(row, path, rows.line_num) for row in rows}
    except csv.Error as error:
        raise RequestError(f"{path}:{max(1, rows.line_num)}: not CSV: {error}") from error


def _partners_of(row: Mapping[str, str | None], path: Path, line: int) -> Partners:
    try:
        return parse_partners(row["PARTNERS"] or "")
    except RequestError as error:
        raise RequestError(f"{path}:{line}: {error.message}", hint=error.hint) from None
