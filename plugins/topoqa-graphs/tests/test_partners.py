"""Reading which chains are whose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_graphs.partners import as_text, parse_partners, read_partners, sides, suited
from topoqa_graphs.structures import Structure, read_structure
from topoqa_train.errors import DataError, RequestError

Write = Callable[[str, str], Path]


def with_chains(make: Any, write: Write, *names: str) -> Structure:
    atoms = [
        make.changed(atom, chain=name)
        for row, name in enumerate(names)
        for atom in make.strand("A", ["GLY"], y=5.0 * row)
    ]
    return read_structure(write("x.cif", make.mmcif(atoms)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A:B", (("A",), ("B",))),
        (" AB : C ", (("A", "B"), ("C",))),
        ("A1,A2:B", (("A1", "A2"), ("B",))),
        ("A1,:B1,B2", (("A1",), ("B1", "B2"))),
    ],
)
def test_partners_as_written(text: str, expected: object) -> None:
    assert parse_partners(text) == expected
    assert parse_partners(as_text(parse_partners(text))) == expected


@pytest.mark.parametrize("text", ["", "A", "A:", ":B", "A:B:C", ",:B"])
def test_what_names_no_two_partners_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="does not name two partners") as caught:
        parse_partners(text)
    assert "AB:C" in (caught.value.hint or "")


def test_a_long_name_is_one_chain_where_there_is_such_a_chain(make: Any, write: Write) -> None:
    found = with_chains(make, write, "AB", "AC", "B")
    assert suited(parse_partners("AB:AC"), found) == (("AB",), ("AC",))
    assert sides(found, parse_partners("AB:AC")).tolist() == [0, 1, -1]
    assert sides(found, parse_partners("AC,B:AB")).tolist() == [1, 0, 0]
    assert sides(found, None).tolist() == [0, 1, 2]


def test_chains_that_are_not_there_or_are_named_twice(make: Any, write: Write) -> None:
    found = with_chains(make, write, "A", "B")
    with pytest.raises(DataError, match="x has no chain H, L") as caught:
        suited(parse_partners("HL:B"), found)
    assert caught.value.details == ("its chains: A, B",)
    with pytest.raises(DataError, match="do not suit x: chain A is named twice"):
        suited(parse_partners("A:AB"), found)


def test_a_table_of_partners_by_model_or_target(write: Write) -> None:
    path = write("partners.csv", "TARGET,PARTNERS\n1ABC,AB:C\n1ABC_007,A:BC\n")
    table = read_partners(str(path))
    assert table.of("1ABC_001", "1ABC") == (("A", "B"), ("C",))
    assert table.of("1ABC_007", "1ABC") == (("A",), ("B", "C"))
    assert table.of("2XYZ_001", "2XYZ") is None
    assert read_partners("A:B").of("x_1", "x") == (("A",), ("B",))
    assert read_partners(None).of("x_1", "x") is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("A,B\n1,2\n", ":1: needs a column PARTNERS"),
        ("", ":1: needs a column PARTNERS"),
        ("MODEL,PARTNERS\nx,A:B\ny,AB\n", ":3: 'AB' does not name two partners"),
        ("MODEL,PARTNERS\nx\n", ":2: '' does not name two partners"),
    ],
)
def test_a_bad_table_is_named_with_its_line(write: Write, content: str, expected: str) -> None:
    path = write("partners.csv", content)
    with pytest.raises(RequestError) as caught:
        read_partners(str(path))
    assert f"{path}{expected}" in caught.value.message


def test_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"gone\.csv: can't be read"):
        read_partners(str(tmp_path / "gone.csv"))
    (tmp_path / "x.csv").write_bytes(b"MODEL,PARTNERS\n\xff\xfe,A:B\n")
    with pytest.raises(RequestError, match="not a text file in UTF-8"):
        read_partners(str(tmp_path / "x.csv"))
