"""Untrusted structures, tables and metadata: read, or refused by name within bounds."""

from __future__ import annotations

import gzip
import json
import os
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from limits import within
from refusals import refusal

from topoqa_graphs import features, matching, structures
from topoqa_graphs.build import build_graphs
from topoqa_graphs.dockq import dockq
from topoqa_graphs.partners import PartnerTable, read_partners
from topoqa_graphs.sources import find_sources
from topoqa_graphs.structures import read_structure
from topoqa_graphs.validate import validate
from topoqa_graphs.workers import Task, work
from topoqa_train.api import DataError, RequestError

Write = Callable[[str, str], Path]
MIB = 2**20


def error_of(path: Path) -> str:
    text = refusal(read_structure, path, DataError, shorter_than=1000)
    assert text.replace("\n", "").isprintable()
    return text


def rows(make: Any, count: int, **changes: Callable[[int], Any]) -> list[Any]:
    """Atoms far from each other, what is named in `changes` made from their number."""
    atoms = []
    for number in range(count):
        place = (10.0 * (number % 100), 10.0 * (number // 100 % 100), 10.0 * (number // 10_000))
        atom = make.Atom("CA", "ALA", "A", number, place)
        made = {name: value(number) for name, value in changes.items()}
        atoms.append(make.changed(atom, **made))
    return atoms


@pytest.mark.parametrize("unit", [b"\0", b"\n", b"REMARK   1\n", b" "])
@pytest.mark.parametrize("name", ["x.pdb.gz", "x.cif.gz"])
def test_a_small_file_that_unpacks_to_a_large_one(tmp_path: Path, name: str, unit: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(unit * (128 * MIB // len(unit)), 1))
    assert path.stat().st_size < 1_500_000
    assert "unpacks to more than" in within(lambda: error_of(path), mebibytes=200)


def test_a_file_of_very_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structures, "_MOST_MEMBERS", 1000)
    path = tmp_path / "x.pdb.gz"
    path.write_bytes(gzip.compress(b"") * 2000)
    assert "thousand parts" in error_of(path)


def test_parts_padding_and_what_is_cut(make: Any, tmp_path: Path) -> None:
    text = make.pdb(make.two_strands()).encode()
    path = tmp_path / "x.pdb.gz"
    halves = gzip.compress(text[:500]) + bytes(600) + gzip.compress(text[500:]) + bytes(70_000)
    path.write_bytes(halves)
    assert len(read_structure(path).residues) == 12
    whole = gzip.compress(text)
    for content in (b"", whole + b"junk", *(whole[:end] for end in range(0, len(whole), 50))):
        path.write_bytes(content)
        assert "not a whole gzip file" in error_of(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.pdb")
    assert "it is a pipe" in error_of(tmp_path / "x.pdb")
    (tmp_path / "y.cif.gz").symlink_to("/dev/zero")
    assert "it is a device" in error_of(tmp_path / "y.cif.gz")
    (tmp_path / "z.pdb").mkdir()
    assert "it is a folder" in error_of(tmp_path / "z.pdb")
    with (tmp_path / "large.pdb").open("wb") as file:
        file.truncate(4 * 2**30)
    assert "it has 4 GiB" in within(lambda: error_of(tmp_path / "large.pdb"), mebibytes=64)


def test_lines_models_and_blocks_without_end(tmp_path: Path) -> None:
    path = tmp_path / "x.pdb"
    for content, expected in (
        (b"MODEL\nENDMDL\n" * 30_000, "30000 models; the limit is 20000"),
        (b"mode\n" * 30_000, "30000 models"),
        (b"ATOM  " + b"x" * 20 * MIB, "no coordinates"),
        (b"\n" * 5 * MIB, "no amino acids"),
        (b"TER\n" * MIB, "no amino acids"),
    ):
        path.write_bytes(content)
        assert expected in within(lambda: error_of(path), mebibytes=160)
    path = tmp_path / "x.cif"
    for content, expected in (
        (b"data_1 " * 100_000, "100000 blocks; the limit is 1000"),
        (b"data_x\n_a\n;" + b"x\n" * MIB, "unterminated"),
        (b"data_x\n" + b"loop_\n" * MIB, "parse error"),
    ):
        path.write_bytes(content)
        assert expected in within(lambda: error_of(path), mebibytes=160)


def test_coordinates_that_python_would_read_and_the_parser_not(make: Any, tmp_path: Path) -> None:
    text = make.pdb(make.two_strands())
    first = text.splitlines()[0]
    path = tmp_path / "x.pdb"
    for value in ("     1_0", "    0x10", "********", "        ", "infinity"):
        wrong = f"{first[:30]}{value}{first[38:]}"
        path.write_text(text.replace(first, wrong))
        assert ":1: no coordinates" in error_of(path)
        path.write_text(text.replace(first, wrong.replace("ATOM", "atom")))
        assert ":1: no coordinates" in error_of(path)


def test_very_many_residues_models_or_chains(
    make: Any, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser's time goes with the square of the first two."""
    for name in ("LONGEST_CHAIN", "MOST_MODELS", "MOST_CHAINS"):
        assert getattr(structures, name) >= 5_000
        monkeypatch.setattr(structures, name, 500)
    one_chain = make.mmcif(rows(make, 600))
    assert "600 residues in one chain" in error_of(write("a.cif", one_chain))
    kinds = make.mmcif(rows(make, 600, number=lambda _: 1, residue=lambda n: f"R{n}"))
    assert "600 residues in one chain" in error_of(write("b.cif", kinds))
    chains = make.mmcif(rows(make, 600, chain=lambda n: f"C{n}"))
    assert "600 chains; the limit is 500" in error_of(write("c.cif", chains))
    models = one_chain.replace("_atom_site.occupancy", "_atom_site.pdbx_PDB_model_num")
    lines = models.splitlines()
    lines = [f"{line[:-3]}{n}" if line.startswith("ATOM") else line for n, line in enumerate(lines)]
    assert "600 models" in error_of(write("d.cif", "\n".join(lines)))


def test_atoms_on_one_another(make: Any, write: Write) -> None:
    """Each of them would be compared with each, and again for each residue."""
    in_one_point = make.pdb(rows(make, 9000, xyz=lambda n: (1, 1, 1), chain=lambda n: "AB"[n % 2]))
    path = write("a.pdb", in_one_point)
    assert "more than 500 atoms within 8 A" in within(lambda: error_of(path), mebibytes=100)
    plane = make.pdb(rows(make, 9000, xyz=lambda n: (n % 95 * 0.5, n // 95 * 0.5, 0)))
    path = write("b.pdb", plane)
    assert "more than 500 atoms within 8 A" in within(lambda: error_of(path), mebibytes=100)


def test_a_residue_of_thousands_of_atoms(make: Any, write: Write) -> None:
    atoms = rows(make, 1500, name=lambda n: f"C{n}", number=lambda _: 7)
    assert "residue A 7 ALA has 1500 atoms" in error_of(write("a.cif", make.mmcif(atoms)))


@pytest.mark.parametrize("field", ["chain", "residue", "name"])
def test_names_that_are_none(make: Any, write: Write, field: str) -> None:
    for name in ("Z" * 21, "Z" * 100_000):
        atoms = [make.changed(atom, **{field: name}) for atom in make.two_strands()]
        assert "a name that no chain, residue or atom has" in error_of(
            write("a.cif", make.mmcif(atoms))
        )
    atoms = [make.changed(atom, chain="\x1b") for atom in make.two_strands()]
    assert "a name that no chain" in error_of(write("b.pdb", make.pdb(atoms)))


def test_what_is_left_out_is_summarised(make: Any, write: Write) -> None:
    atoms = rows(make, 3000, residue=lambda n: f"X{n}", record=lambda _: "HETATM")
    path = write("a.cif", make.mmcif(atoms))
    assert "and 2980 more" in error_of(path)


def test_no_pair_of_very_many_chains_is_scored(make: Any, write: Write) -> None:
    def native(chains: int) -> Any:
        atoms = []
        for number in range(chains):
            strand = make.strand(f"C{number}", ["ALA", "GLY"], y=5.0 * number)
            atoms += strand
        return read_structure(write("native.cif", make.mmcif(atoms)))

    with pytest.raises(DataError, match="has 61 chains: too many to score each pair") as caught:
        dockq(native(61), native(61))
    assert "--partners" in (caught.value.hint or "")
    assert dockq(native(60), native(60)).dockq == pytest.approx(1)


def test_very_many_chains_far_apart_are_not_compared(make: Any, write: Write) -> None:
    atoms = rows(make, 3000, chain=lambda n: f"C{n}", xyz=lambda n: (n % 60 * 90, n // 60 * 90, 0))
    found = read_structure(write("a.cif", make.mmcif(atoms)))
    with pytest.raises(DataError, match="no interface") as caught:
        features.build_graph(found)
    assert not caught.value.details


def test_long_chains_with_other_numbers_are_not_aligned(
    make: Any, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert matching._LARGEST_ALIGNMENT >= 10**6
    monkeypatch.setattr(matching, "_LARGEST_ALIGNMENT", 20)
    atoms = make.two_strands()
    moved = [make.changed(a, number=a.number + 50 * (a.chain == "A")) for a in atoms]
    native = read_structure(write("a.pdb", make.pdb(atoms)))
    with pytest.raises(DataError, match="too long to be aligned: 6 and 6 residues"):
        dockq(read_structure(write("b.pdb", make.pdb(moved))), native)


def damaged(rng: random.Random, text: bytes) -> bytes:
    lines = text.split(b"\n")
    for _ in range(rng.choice([1, 2, 5])):
        place = rng.randrange(len(lines))
        words = [b"nan", b"ATOM  ", b"loop_", b"data_", b"'", b";", b"\0", b"\xff", b"-1e30", b"?"]
        match rng.randrange(5):
            case 0:
                lines[place] = lines[place][: rng.randrange(80)]
            case 1:
                at = rng.randrange(80)
                lines[place] = lines[place][:at] + rng.choice(words) + lines[place][at + 3 :]
            case 2:
                lines[place:place] = [lines[place]] * rng.choice([1, 2, 50])
            case 3:
                lines.insert(place, rng.choice(words))
            case 4:
                other = rng.randrange(len(lines))
                lines[place], lines[other] = lines[other], lines[place]
    return b"\n".join(lines)


@pytest.mark.parametrize("form", ["pdb", "mmcif"])
@pytest.mark.parametrize("seed", [1, 2])
def test_any_damage_gives_a_graph_or_a_few_words(
    make: Any, tmp_path: Path, form: str, seed: int
) -> None:
    rng = random.Random(seed)
    whole = getattr(make, form)(make.two_strands()).encode()
    path = tmp_path / f"x.{form.replace('mm', '')}"

    def all_of_them() -> int:
        built = 0
        for _ in range(30):
            path.write_bytes(damaged(rng, whole))
            built += judged(path)
        return built

    assert within(all_of_them, mebibytes=600, cpu_seconds=120) > 0


@pytest.mark.parametrize("step", [0.0, 0.001, 0.5, 1.5])
@pytest.mark.parametrize("flat", [0, 1, 2])
def test_clouds_without_a_shape(make: Any, tmp_path: Path, step: float, flat: int) -> None:
    """Atoms on a point, a line, a plane or a grid: what Delaunay's triangles are not made for."""
    rng = random.Random(f"{step} {flat}")
    atoms = [
        make.changed(
            atom,
            xyz=tuple(step * rng.randrange(-4, 5) * (axis >= flat) for axis in range(3)),
        )
        for atom in make.two_strands()
    ]
    path = tmp_path / "x.pdb"
    path.write_text(make.pdb(atoms))
    within(lambda: judged(path), mebibytes=600, cpu_seconds=60)


def judged(path: Path) -> bool:
    """Whether a graph came of it; a refusal is in words of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = work(Task("x", path, None, path, compat=False))
    for reason in outcome.reasons:
        assert "internal error in the builder" not in reason, reason
        assert len(reason) < 1000
    if outcome.arrays is None:
        assert outcome.reasons
        return False
    assert np.isfinite(outcome.arrays.x).all()
    assert np.isfinite(outcome.arrays.edge_attr).all()
    return True


def test_names_in_a_folder(make: Any, write: Write, tmp_path: Path, quiet: Any) -> None:
    text = make.pdb(make.two_strands())
    for name in ("a_1.pdb", "-rf.pdb", "b b.pdb", "a\nb.pdb", "c\x1b[2J.pdb", "sub/..pdb"):
        write(f"in/{name}", text)
    (tmp_path / "in" / os.fsdecode(b"\xff\xfe.pdb")).write_text(text)
    os.mkfifo(tmp_path / "in" / "pipe.pdb")
    (tmp_path / "in" / "out.pdb").symlink_to("/etc/passwd")
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "nowhere.pdb").symlink_to("nothing")
    sources, failures = find_sources(tmp_path / "in", PartnerTable(), None)
    report = build_graphs(sources, tmp_path / "out", show=quiet)
    assert report.built == ("-rf", "a_1", "b b")
    assert [Path(failure.file).name for failure in report.failed] == ["out.pdb"]
    assert len(failures) == 3
    assert all("can't be printed" in failure.reason for failure in failures)
    assert all(failure.file.isprintable() for failure in failures)
    written = {path.name for path in (tmp_path / "out" / "graph_data").iterdir()}
    assert written == {"-rf.pt", "a_1.pt", "b b.pt"}
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"MODEL,PARTNERS\na," + b"A" * 200_000 + b":B\n", "not CSV: field larger"),
        (b"MODEL,PARTNERS\na,A\n", ":2: 'A' does not name two partners"),
        (b"MODEL,PARTNERS\na," + b"A" * 100_000 + b"\n", ":2: 'AAAA"),
        (b"MODEL,PARTNERS\n\x1b[2J,\x1b\n", r":2: '\x1b' does not name"),
        (b"x," * 100_000, "needs a column PARTNERS"),
        (b"\xff\xfe\0", "not a text file"),
        (b"", "needs a column PARTNERS"),
    ],
    ids=["field", "one side", "long", "escapes", "columns", "no text", "empty"],
)
def test_tables_of_partners(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    with pytest.raises(RequestError) as caught:
        read_partners(str(path))
    text = "\n".join([caught.value.message, *caught.value.details])
    assert expected in text
    assert len(text) < 1500


def test_a_table_of_partners_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.csv")
    with pytest.raises(RequestError, match=r"p\.csv: can't be read"):
        read_partners(str(tmp_path / "p.csv"))


@pytest.mark.parametrize(
    "metadata",
    [
        "[" * 100_000,
        '{"a_1": {"stamp": ' + "[" * 50_000,
        '{"a_1": {"dockq": "x"}}',
        '{"a_1": {"dockq": {"dockq": "x", "native_sha256": 1}}}',
        '{"a_1": {"dockq": {"problem": []}}}',
        '{"a_1": [], "../../x": {}, "b\\u0000": {}}',
        '{"a_1": {"z": 1e999}, "b": {"z": NaN}}',
        '{"a_1": {"\\ud800": 1}}',
        "null",
    ],
    ids=lambda text: text[:40],
)
def test_foreign_metadata_in_the_folder_to_build_into(
    make: Any, write: Write, tmp_path: Path, quiet: Any, metadata: str
) -> None:
    write("in/a_1.pdb", make.pdb(make.two_strands()))
    write("out/graph_metadata.json", metadata)
    write("out/.graph_build.jsonl", f"{metadata}\n[1]\n{metadata}")
    sources, _ = find_sources(tmp_path / "in", PartnerTable(), None)
    assert build_graphs(sources, tmp_path / "out", show=quiet).built == ("a_1",)
    document = json.loads((tmp_path / "out" / "graph_metadata.json").read_text())
    assert document.keys() == {"a_1"}
    write("out/graph_metadata.json", metadata)
    assert validate(tmp_path / "out", quiet).graphs == 1
