"""Folders of graphs: what is written, kept, built again and reported."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from topoqa_graphs import records
from topoqa_graphs.build import (
    BuildReport,
    Source,
    build_graph,
    build_graphs,
    find_natives,
    find_sources,
    target_of,
)
from topoqa_graphs.features import NODE_COLUMNS
from topoqa_graphs.partners import PartnerTable, read_partners
from topoqa_graphs.records import Ledger
from topoqa_graphs.structures import read_structure
from topoqa_graphs.workers import Task, outcomes
from topoqa_train.api import read_graph
from topoqa_train.errors import DataError, MachineError, RequestError

Write = Callable[[str, str], Path]
Run = Callable[..., BuildReport]


@pytest.fixture
def decoys(make: Any, write: Write) -> Path:
    """Three good decoys, one below a sub-folder, in a folder of their own."""
    for name, apart in (("T1_0", 5.0), ("T1_1", 6.0), ("T2/a", 7.0)):
        write(f"decoys/{name}.pdb", make.pdb(make.two_strands(y=apart)))
    return write("decoys/notes.txt", "no structure").parent


@pytest.fixture
def run(decoys: Path, tmp_path: Path, quiet: Any) -> Run:
    def build(**options: Any) -> BuildReport:
        native_dir = options.pop("native_dir", None)
        table = read_partners(options.pop("partners", None))
        sources, _ = find_sources(decoys, table, native_dir)
        return build_graphs(sources, tmp_path / "out", show=quiet, **options)

    return build


def metadata(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "graph_metadata.json").read_text()))


def graph_files(out: Path) -> list[str]:
    return sorted(
        p.relative_to(out).as_posix() for p in (out / "graph_data").rglob("*") if p.is_file()
    )


def test_a_build_writes_graphs_metadata_and_summary(run: Run, tmp_path: Path, decoys: Path) -> None:
    report = run()
    out = tmp_path / "out"
    assert report == BuildReport(("T1_0", "T1_1", "T2/a"), (), (), {})
    assert graph_files(out) == ["graph_data/T1_0.pt", "graph_data/T1_1.pt", "graph_data/T2/a.pt"]
    arrays = build_graph(read_structure(decoys / "T2" / "a.pdb"))
    graph = read_graph(out / "graph_data/T2/a.pt")
    assert np.array_equal(graph.x.numpy(), arrays.x)
    assert np.array_equal(graph.edge_index.numpy(), arrays.edge_index)
    assert np.array_equal(graph.edge_attr.numpy(), arrays.edge_attr)
    entries = metadata(out)
    assert list(entries) == ["T1_0", "T1_1", "T2/a"]
    entry = entries["T2/a"]
    assert entry["edge_metadata"]["feature_dim"] == 11
    assert entry["edge_metadata"]["edge_feature_variant"] == "topoqa-xyz"
    assert entry["edge_metadata"]["bands"][-2:] == [[9.0, 10.0], [10.0, None]]
    assert entry["node_feature_columns"] == list(NODE_COLUMNS)
    assert entry["edge_params"]["atom_axes"] == "xyz"
    assert entry["node_params"]["topology"]["reach"] == 8
    assert entry["residues"][0] == "A 1 ALA"
    assert entry["left_out"] == {}
    assert entry["notes"] == list(arrays.notes)
    summary = json.loads((out / "graph_builder_summary.json").read_text())
    assert summary["modules"]["edges"]["module"] == entry["edge_module"]
    assert set(summary["modules"]) >= {"interface", "rasa", "topology", "edges"}
    assert summary["graphs"] == {"graphs": 3, "failed": 0}
    assert not (out / "labels.csv").exists()
    text = (out / "graph_metadata.json").read_text() + json.dumps(summary)
    assert str(tmp_path) not in text


def test_existing_graphs_are_kept(run: Run, tmp_path: Path) -> None:
    run()
    out = tmp_path / "out"
    before = {name: (out / name).stat().st_mtime_ns for name in graph_files(out)}
    recorded = metadata(out)
    assert run() == BuildReport((), ("T1_0", "T1_1", "T2/a"), (), {})
    assert {name: (out / name).stat().st_mtime_ns for name in graph_files(out)} == before
    assert metadata(out) == recorded
    assert len(run(force=True).built) == 3


def test_a_changed_structure_is_built_again(run: Run, make: Any, write: Write) -> None:
    run()
    write("decoys/T1_1.pdb", make.pdb(make.two_strands(y=6.5)))
    assert run().built == ("T1_1",)


@pytest.mark.parametrize("options", [{"compat": True}, {"partners": "A:B"}])
def test_another_definition_is_built_again(run: Run, options: dict[str, Any]) -> None:
    run()
    assert len(run(**options).built) == 3
    assert len(run(**options).kept) == 3


def test_another_version_of_the_builder_builds_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    monkeypatch.setitem(records.BUILDER, "version", records.BUILDER_VERSION + 1)
    assert len(run().built) == 3


def test_a_graph_that_was_removed_is_built_again(run: Run, tmp_path: Path) -> None:
    run()
    (tmp_path / "out/graph_data/T1_0.pt").unlink()
    assert run().built == ("T1_0",)


def test_bad_structures_are_reported_and_stop_nothing(
    run: Run, write: Write, make: Any, tmp_path: Path
) -> None:
    write("decoys/T1_bad.pdb", "")
    write("decoys/T1_far.pdb", make.pdb(make.two_strands(y=40)))
    write("decoys/T1_junk.cif", "junk")
    report = run()
    assert len(report.built) == 3
    reasons = {Path(failure.file).name: failure.reason for failure in report.failed}
    assert reasons["T1_bad.pdb"].startswith("no amino acids in it")
    assert reasons["T1_far.pdb"].startswith("no interface")
    assert reasons["T1_junk.cif"].startswith("can't be read as a structure")
    assert len(graph_files(tmp_path / "out")) == 3
    # They are tried and reported again.
    assert len(run().failed) == 3


def test_a_graph_does_not_outlive_its_structure(run: Run, write: Write, tmp_path: Path) -> None:
    run()
    write("decoys/T1_0.pdb", "no longer a structure")
    assert [Path(failure.file).name for failure in run().failed] == ["T1_0.pdb"]
    assert "graph_data/T1_0.pt" not in graph_files(tmp_path / "out")
    assert "T1_0" not in metadata(tmp_path / "out")


def test_an_internal_error_is_reported_as_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from topoqa_graphs import workers

    def broken(*_: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(workers, "build_graph", broken)
    report = run()
    assert report.built == ()
    expected = "internal error in the builder: ZeroDivisionError: by nought"
    assert {failure.reason for failure in report.failed} == {expected}


def test_jobs_do_not_change_a_byte(run: Run, tmp_path: Path, write: Write) -> None:
    write("decoys/T1_bad.pdb", "")
    alone = run(jobs=1)
    out = tmp_path / "out"
    one = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    shutil.rmtree(out)
    assert run(jobs=2) == alone
    two = {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert one == two


class Deadly:
    """Ends the process that unpickles it, as the kernel does when memory runs out."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os._exit, (9,))


def test_a_killed_worker_is_an_error_of_the_machine() -> None:
    task = Task("T1_0", Deadly(), None, None, compat=False)  # type: ignore[arg-type]
    with pytest.raises(MachineError, match="was killed") as caught:
        list(outcomes(iter([task]), jobs=2))
    assert "--jobs" in (caught.value.hint or "")


@contextmanager
def stopping(after: int) -> Iterator[Callable[[int], None]]:
    done = 0

    def advance(steps: int = 1) -> None:
        nonlocal done
        done += steps
        if done == after:
            raise KeyboardInterrupt

    yield advance


def test_an_interrupted_build_keeps_what_it_has(run: Run, decoys: Path, tmp_path: Path) -> None:
    sources, _ = find_sources(decoys, PartnerTable(), None)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        build_graphs(sources, out, show=lambda *_: stopping(2))
    assert sorted(metadata(out)) == ["T1_0", "T1_1"]
    report = run()
    assert (report.built, report.kept) == (("T2/a",), ("T1_0", "T1_1"))


def test_a_killed_build_is_resumed(
    run: Run, decoys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, nothing is written at the end: the journal alone is there, its last line cut."""
    sources, _ = find_sources(decoys, PartnerTable(), None)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(records.Ledger, "write", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            build_graphs(sources, out, show=lambda *_: stopping(2))
    assert not (out / "graph_metadata.json").exists()
    journal = out / ".graph_build.jsonl"
    text = journal.read_text()
    journal.write_text(text[:-20])
    report = run()
    assert (report.built, report.kept) == (("T1_1", "T2/a"), ("T1_0",))
    assert len(metadata(out)) == 3
    assert not journal.exists()


def test_damaged_metadata_cost_a_rebuild(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    (tmp_path / "out" / "graph_metadata.json").write_text("{")
    assert len(run().built) == 3
    assert "every graph is built again" in capsys.readouterr().err


def test_lines_that_kills_cut_short_cost_no_others(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path)
    ledger.add("a", {"notes": []})
    journal = next(tmp_path.glob(".*.jsonl"))
    with journal.open("ab") as file:
        file.write(b'{"cut": {"not')
    ledger.add("b", {"notes": []})  # after the rest of the cut line
    with journal.open("ab") as file:
        file.write(b"\xff\nnull\n")
    ledger.add("c", {"notes": []})
    assert set(Ledger.open(tmp_path).records) == {"a", "c"}


def test_two_builds_into_one_folder_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with (
        FileLock(tmp_path / "out" / ".graph_build.lock"),
        pytest.raises(RequestError, match="another build is writing"),
    ):
        run()
    assert len(run().built) == 3


def test_structures_in_memory_are_built_and_kept(decoys: Path, tmp_path: Path, quiet: Any) -> None:
    structure = read_structure(decoys / "T1_0.pdb")

    def sources() -> Iterator[Source]:
        yield Source("T1_0", structure)

    assert build_graphs(sources(), tmp_path / "o", total=1, show=quiet).built == ("T1_0",)
    assert build_graphs(sources(), tmp_path / "o", total=1, show=quiet).kept == ("T1_0",)
    moved = structure.moved(np.eye(3), np.array([0.0, 0.0, 0.1]), ["B"])
    again = build_graphs([Source("T1_0", moved)], tmp_path / "o", show=quiet)
    assert again.built == ("T1_0",)


@pytest.mark.parametrize(("model", "target"), [("1AK4_000", "1AK4"), ("T/a_b", "T"), ("x", "x")])
def test_the_target_of_a_decoy(model: str, target: str) -> None:
    assert target_of(model) == target


def test_two_files_of_one_decoy(decoys: Path, make: Any, write: Write) -> None:
    write("decoys/T1_0.cif", make.mmcif(make.two_strands()))
    write("decoys/.T1_9.pdb", "hidden")
    sources, failures = find_sources(decoys, PartnerTable(), None)
    assert [source.model for source in sources] == ["T1_0", "T1_1", "T2/a"]
    assert [Path(failure.file).name for failure in failures] == ["T1_0.pdb"]
    assert "T1_0 is taken by" in failures[0].reason


def test_folders_without_structures(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file or folder"):
        find_sources(tmp_path / "gone", PartnerTable(), None)
    with pytest.raises(RequestError, match="no structures in it") as caught:
        find_sources(tmp_path, PartnerTable(), None)
    assert ".cif.gz" in (caught.value.hint or "")


@pytest.fixture
def scored(natives: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A native and two decoys: itself under another name, and one pulled apart."""
    from topoqa_graphs.structures import write_pdb

    known, folder = tmp_path / "natives", tmp_path / "scored"
    known.mkdir()
    folder.mkdir()
    shutil.copy(natives / "2OOB.pdb.gz", known / "2OOB_native.pdb.gz")
    native = read_structure(natives / "2OOB.pdb.gz")
    write_pdb(native, folder / "2OOB_000.pdb")
    write_pdb(native.moved(np.eye(3), np.array([2.0, 0, 0]), ["B"]), folder / "2OOB_001.pdb")
    return folder, known


def label_rows(out: Path) -> list[dict[str, str]]:
    with (out / "labels.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_against_natives(scored: tuple[Path, Path], tmp_path: Path, quiet: Any) -> None:
    folder, known = scored
    sources, failures = find_sources(folder, PartnerTable(), known)
    assert not failures
    out = tmp_path / "out"
    report = build_graphs(sources, out, show=quiet)
    rows = label_rows(out)
    assert [(row["MODEL"], row["TARGET"]) for row in rows] == [
        ("2OOB_000", "2OOB"),
        ("2OOB_001", "2OOB"),
    ]
    values = [float(row["dockq"]) for row in rows]
    assert values[0] == 1
    assert 0.1 < values[1] < 0.9
    assert list(report.dockq.values()) == pytest.approx(values, abs=1e-6)
    assert metadata(out)["2OOB_001"]["dockq"]["fnat"] < 1
    (out / "labels.csv").unlink()
    again = build_graphs(sources, out, show=quiet)
    assert again.kept == ("2OOB_000", "2OOB_001")
    assert label_rows(out) == rows


def test_labels_can_come_later_without_building_again(
    scored: tuple[Path, Path], tmp_path: Path, quiet: Any
) -> None:
    folder, known = scored
    out = tmp_path / "out"
    build_graphs(find_sources(folder, PartnerTable(), None)[0], out, show=quiet)
    report = build_graphs(find_sources(folder, PartnerTable(), known)[0], out, show=quiet)
    assert report.built == ()
    assert len(report.dockq) == len(label_rows(out)) == 2


def test_labels_of_an_earlier_build_are_reported(
    scored: tuple[Path, Path], tmp_path: Path, quiet: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, known = scored
    out = tmp_path / "out"
    build_graphs(find_sources(folder, PartnerTable(), known)[0], out, show=quiet)
    sources = find_sources(folder, PartnerTable(), None)[0]
    build_graphs(sources, out, show=quiet)
    assert "labels.csv" not in capsys.readouterr().err  # nothing changed: they still hold
    build_graphs(sources, out, force=True, show=quiet)
    assert "labels.csv is from an earlier build" in capsys.readouterr().err


def test_a_native_that_does_not_suit_costs_the_label_alone(
    scored: tuple[Path, Path], tmp_path: Path, quiet: Any
) -> None:
    folder, known = scored
    (known / "2OOB_native.pdb.gz").unlink()
    (known / "2OOB.pdb").write_text("no structure")
    sources, _ = find_sources(folder, PartnerTable(), known)
    for _ in range(2):  # reported again when the graphs are kept
        report = build_graphs(sources, tmp_path / "out", show=quiet)
        assert len(report.built) + len(report.kept) == 2
        assert report.dockq == {}
        assert all(failure.reason.startswith("no DockQ: ") for failure in report.failed)
        assert len(report.failed) == 2
        assert label_rows(tmp_path / "out") == []


def test_a_native_that_cannot_be_opened_costs_the_label_alone(
    scored: tuple[Path, Path], tmp_path: Path, quiet: Any
) -> None:
    folder, known = scored
    out = tmp_path / "out"
    sources, _ = find_sources(folder, PartnerTable(), known)
    build_graphs(sources, out, show=quiet)
    (known / "2OOB_native.pdb.gz").unlink()
    for _ in range(2):
        report = build_graphs(sources, out, show=quiet)
        assert report.kept == ("2OOB_000", "2OOB_001")
        assert all(failure.reason.startswith("no DockQ: ") for failure in report.failed)
        assert len(report.failed) == 2
        assert len(graph_files(out)) == 2


def test_natives_by_name(write: Write, make: Any, tmp_path: Path) -> None:
    text = make.pdb(make.two_strands())
    for name in ("T1.pdb", "T2_native.ent", "T3.pdb", "T3_native.pdb", "T1_000.pdb"):
        write(f"all/{name}", text)
    found = find_natives(tmp_path / "all")
    assert {target: path.name for target, path in found.items()} == {
        "T1": "T1.pdb",
        "T2": "T2_native.ent",
        "T3": "T3_native.pdb",
    }
    # Beside their decoys, natives are no decoys.
    sources, failures = find_sources(tmp_path / "all", PartnerTable(), tmp_path / "all")
    assert [source.model for source in sources] == ["T1_000", "T3"]
    assert failures == []
    write("all/T1.cif", make.mmcif(make.two_strands()))
    with pytest.raises(RequestError, match="two natives of T1"):
        find_natives(tmp_path / "all")


def test_a_decoy_in_its_targets_folder_is_no_native(make: Any, write: Write) -> None:
    text = make.pdb(make.two_strands())
    files = [write(f"all/{name}.pdb", text) for name in ("T1", "T2", "T1/best", "T2/best")]
    folder = files[0].parent
    sources, failures = find_sources(folder, PartnerTable(), folder)
    assert [(source.model, source.native) for source in sources] == [
        ("T1/best", files[0]),
        ("T2/best", files[1]),
    ]
    assert failures == []


def test_natives_alone_are_no_decoys(make: Any, write: Write) -> None:
    folder = write("all/T1.pdb", make.pdb(make.two_strands())).parent
    with pytest.raises(RequestError, match="natives alone"):
        find_sources(folder, PartnerTable(), folder)


def test_a_decoy_without_a_native_is_reported(decoys: Path, write: Write, make: Any) -> None:
    folder = write("natives/T1.pdb", make.pdb(make.two_strands())).parent
    sources, failures = find_sources(decoys, PartnerTable(), folder)
    assert len(sources) == 3
    assert [Path(failure.file).name for failure in failures] == ["a.pdb"]
    assert "no native T2.* or T2_native.*" in failures[0].reason


def test_a_full_disk_stops_with_what_there_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from topoqa_graphs import build

    written: list[Path] = []

    def full(path: Path, *arrays: Any) -> None:
        if written:
            raise MachineError(f"no space left to write {path}")
        written.append(path)
        write_graph(path, *arrays)

    write_graph = build.write_graph
    monkeypatch.setattr(build, "write_graph", full)
    with pytest.raises(MachineError, match="no space"):
        run()
    assert list(metadata(tmp_path / "out")) == ["T1_0"]


def test_an_unfit_graph_is_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from topoqa_graphs import build

    def refuse(path: Path, *_: Any) -> None:
        raise DataError("not fit", details=["x holds NaN"])

    monkeypatch.setattr(build, "write_graph", refuse)
    report = run()
    assert {failure.reason for failure in report.failed} == {"not fit; x holds NaN"}
    assert report.built == ()
