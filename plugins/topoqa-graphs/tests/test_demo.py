"""The data set `demo`: whole or not there, built once, and no relatives across its splits."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from topoqa_graphs import build, demo, families
from topoqa_graphs.decoys import make_decoys
from topoqa_graphs.demo import Plan, build_demo, ensure, is_whole, plan_version
from topoqa_graphs.matching import residues_of, sequence
from topoqa_graphs.structures import read_structure
from topoqa_train.api import DataSetPaths, graph_errors, read_graph
from topoqa_train.errors import DataError, MachineError, RequestError

SMALL = Plan(splits={"train": ("2OOB",), "val": ("1FFW",), "test": ()}, count=2, seed=7)
MODELS = [f"{name}_{number:03d}" for name in ("1FFW", "2OOB") for number in range(2)]
PATIENCE = 120.0

# A build whose progress writes what it has done and continues only while the file `go` is there.
SCRIPT = """
import sys, time
from contextlib import contextmanager
from pathlib import Path
from topoqa_graphs.demo import Plan, ensure

home, mark, jobs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
go = mark.with_name("go")

@contextmanager
def progress(description, total):
    done = 0
    def advance(steps=1):
        nonlocal done
        done += steps
        mark.write_text(str(done))
        while not go.exists():
            time.sleep(0.02)
    yield advance

if __name__ == "__main__":
    plan = Plan(splits={"train": ("2OOB",), "val": ("1FFW",), "test": ()}, count=2, seed=7)
    print(ensure(plan, home, progress, jobs=jobs).graph)
"""


@contextmanager
def no_progress(description: str, total: int | None) -> Iterator[Callable[[int], None]]:
    yield lambda steps=1: None


def forbidden(*_: object, **__: object) -> None:
    pytest.fail("built again")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def made(home: Path) -> DataSetPaths:
    return ensure(SMALL, home, no_progress, jobs=1)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a build in a process of its own; all are ended with the test."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    running: list[subprocess.Popen[str]] = []

    def begin(name: str, jobs: int = 1) -> subprocess.Popen[str]:
        with (tmp_path / f"{name}.err").open("w") as errors:
            command = [sys.executable, script, tmp_path / "home", tmp_path / name, str(jobs)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()


def until(true: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"waited in vain for: {what}")
        time.sleep(0.02)


def done(mark: Path) -> int:
    return int(mark.read_text() or 0) if mark.exists() else 0


def rows(path: Path | None) -> list[dict[str, str]]:
    assert path is not None
    return list(csv.DictReader(path.open()))


def test_it_is_laid_out_as_training_wants_it(made: DataSetPaths) -> None:
    assert [row["MODEL"] for row in rows(made.train_labels)] == MODELS[2:]
    assert [row["MODEL"] for row in rows(made.val_labels)] == MODELS[:2]
    assert rows(made.test_labels) == []
    assert {row["TARGET"] for row in rows(made.val_labels)} == {"1FFW"}
    assert sorted(path.name for path in made.graph.iterdir()) == [f"{m}.pt" for m in MODELS]
    assert made.metadata is not None
    assert sorted(json.loads(made.metadata.read_text())) == MODELS
    assert made.summary is not None
    assert "modules" in json.loads(made.summary.read_text())
    assert (made.name, made.version) == ("demo", plan_version(SMALL))


def test_every_graph_is_fit_and_every_label_its_decoys(made: DataSetPaths) -> None:
    for path in made.graph.iterdir():
        assert graph_errors(read_graph(path)) == []
    decoys = make_decoys(read_structure(demo.native_path("2OOB")), SMALL.count, SMALL.seed)
    labels = [float(row["dockq"]) for row in rows(made.train_labels)]
    assert labels == pytest.approx([decoy.score.dockq for decoy in decoys], abs=1e-6)


def test_what_is_whole_is_taken_as_it_is(
    made: DataSetPaths, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_whole(made.graph.parent, made.version)
    assert [path.name for path in made.graph.parent.glob(".*")] == []
    assert not list(home.glob("*.part"))
    monkeypatch.setattr(build, "build_graphs", forbidden)
    assert ensure(SMALL, home, no_progress) == made


@pytest.mark.parametrize("harm", ["gone", "cut short", "no stamp", "broken stamp", "older"])
def test_what_is_damaged_is_not_whole(made: DataSetPaths, tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(made.graph.parent, folder)
    assert is_whole(folder, made.version)
    if harm == "gone":
        (folder / "graph_data" / "2OOB_001.pt").unlink()
    elif harm == "cut short":
        os.truncate(folder / "val.csv", 20)
    elif harm == "no stamp":
        (folder / demo.STAMP).unlink()
    elif harm == "broken stamp":
        (folder / demo.STAMP).write_text('{"version": ')
    assert not is_whole(folder, "other" if harm == "older" else made.version)


def test_what_is_damaged_is_built_again(
    made: DataSetPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / made.version
    shutil.copytree(made.graph.parent, folder)
    (folder / "graph_data" / "2OOB_001.pt").unlink()
    ensure(SMALL, tmp_path, no_progress, jobs=1)
    assert f"{folder} is damaged; it is built again" in capsys.readouterr().err
    for name in MODELS:
        new = folder / "graph_data" / f"{name}.pt"
        assert new.read_bytes() == (made.graph / f"{name}.pt").read_bytes()


def test_the_version_follows_whatever_decides_the_numbers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    versions = [plan_version(SMALL), plan_version(Plan(SMALL.splits, SMALL.count, seed=8))]
    versions.append(plan_version(Plan(SMALL.splits, 4, SMALL.seed)))
    versions.append(plan_version(Plan({**SMALL.splits, "test": ("1J2J",)}, 2, 7)))
    versions.append(plan_version(Plan({"train": ("1FFW",), "val": ("2OOB",), "test": ()}, 2, 7)))
    with monkeypatch.context() as patch:
        patch.setattr(demo, "version_of", lambda name: "0.0")
        versions.append(plan_version(SMALL))
    package = tmp_path / "package"
    shutil.copytree(demo.NATIVES.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    with monkeypatch.context() as patch:
        patch.setattr(demo, "NATIVES", package / "natives")
        assert plan_version(SMALL) == versions[0]
        for changed in (package / "features.py", package / "natives" / "2OOB.pdb.gz"):
            changed.write_bytes(changed.read_bytes() + b"#")
            versions.append(plan_version(SMALL))
    assert len(set(versions)) == len(versions)
    assert plan_version(SMALL) == versions[0]


def test_all_code_that_decides_is_in_the_version() -> None:
    code = (
        "import sys, topoqa_graphs.decoys, topoqa_graphs.features\n"
        "print(*(m.split('.')[1] for m in sys.modules if m.startswith('topoqa_graphs.')))\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert set(output.stdout.split()) == set(demo.DECIDING_MODULES)


def test_another_version_is_built_beside_the_old_one(
    made: DataSetPaths, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "version_of", lambda name: "0.0")
    newer = ensure(SMALL, home, no_progress, jobs=1)
    assert newer.version != made.version
    assert newer.graph != made.graph
    assert is_whole(made.graph.parent, made.version)
    for name in MODELS:  # the code is the same, and so are the numbers
        assert (newer.graph / f"{name}.pt").read_bytes() == (made.graph / f"{name}.pt").read_bytes()


def test_one_process_builds_and_the_other_reports_that_it_waits(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    first = start("first")
    until(lambda: done(tmp_path / "first"), "the first build to begin")
    second = start("second")
    errors = tmp_path / "second.err"
    until(lambda: "waiting for it" in errors.read_text(), "the second to report that it waits")
    (tmp_path / "go").touch()
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert outputs[0] == outputs[1] != ""
    assert done(tmp_path / "first") == len(MODELS)
    assert not (tmp_path / "second").exists()
    assert is_whole(tmp_path / "home" / plan_version(SMALL), plan_version(SMALL))


def test_a_killed_build_is_no_data_set_and_the_next_goes_on_with_it(
    tmp_path: Path, made: DataSetPaths, start: Callable[..., subprocess.Popen[str]]
) -> None:
    build_process = start("killed", jobs=2)
    until(lambda: done(tmp_path / "killed"), "a first graph")
    workers = psutil.Process(build_process.pid).children(recursive=True)
    build_process.send_signal(signal.SIGKILL)
    build_process.wait()
    final = tmp_path / "home" / made.version
    work = tmp_path / "home" / f"{made.version}.part"
    assert not final.exists()
    early = {path.name: path.stat().st_mtime_ns for path in (work / "graph_data").glob("[!.]*.pt")}
    assert 1 <= len(early) < len(MODELS)
    until(lambda: not any(worker.is_running() for worker in workers), "its workers to end")
    (work / "graph_data" / ".2OOB_000.pt.1.abcd.tmp").write_bytes(b"half of a graph")

    found = ensure(SMALL, tmp_path / "home", no_progress, jobs=1)
    assert not work.exists()
    assert sorted(path.name for path in found.graph.iterdir()) == [f"{m}.pt" for m in MODELS]
    kept = [n for n, at in early.items() if (found.graph / n).stat().st_mtime_ns == at]
    assert kept  # at most the unfinished one was built again
    assert len(kept) >= len(early) - 1
    for name in ("train.csv", "val.csv", *(f"graph_data/{m}.pt" for m in MODELS)):
        assert (final / name).read_bytes() == (made.graph.parent / name).read_bytes()


def test_a_failed_graph_stops_it_and_nothing_looks_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = build.Failure("2OOB_001", "no interface")
    report = build.BuildReport((), (), (failure,), {})
    monkeypatch.setattr(build, "build_graphs", lambda *_, **__: report)
    with pytest.raises(DataError, match="1 of 4 graphs of the data set demo failed") as caught:
        ensure(SMALL, tmp_path, no_progress)
    assert caught.value.details == ("2OOB_001: no interface",)
    assert not (tmp_path / plan_version(SMALL)).exists()


def test_it_can_be_built_elsewhere_with_its_structures(
    tmp_path: Path, made: DataSetPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "elsewhere"
    out.mkdir()
    found = build_demo(out, no_progress, SMALL, jobs=1, keep_structures=True)
    assert found.graph == out / "graph_data"
    assert sorted(path.name for path in (out / "structures").iterdir()) == [
        f"{m}.pdb.gz" for m in MODELS
    ]
    for name in MODELS:
        assert (found.graph / f"{name}.pt").read_bytes() == (made.graph / f"{name}.pt").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    monkeypatch.setattr(build, "build_graphs", forbidden)
    assert build_demo(out, no_progress, SMALL) == found


def test_it_is_not_built_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RequestError, match="exists and is not this data set"):
        build_demo(tmp_path, no_progress, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(DataError, match="no native 9XYZ is shipped"):
        build_demo(tmp_path / "new", no_progress, Plan({"train": ("9XYZ",)}, 1, 1))


def test_the_variable_sets_the_cache_folder(
    tmp_path: Path, made: DataSetPaths, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOPOQA_TRAIN_CACHE", raising=False)
    assert demo.cache_folder().name == "topoqa-train"
    monkeypatch.setenv("TOPOQA_TRAIN_CACHE", str(tmp_path))
    (tmp_path / "demo").symlink_to(home)
    monkeypatch.setattr(demo, "Plan", partial(Plan, SMALL.splits, SMALL.count, SMALL.seed))
    found = demo.prepare(no_progress)
    assert found.graph == tmp_path / "demo" / made.version / "graph_data"


def test_a_read_only_cache_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="can't be written") as caught:
        ensure(SMALL, tmp_path / "file" / "demo", no_progress)
    assert "TOPOQA_TRAIN_CACHE" in (caught.value.hint or "")


def test_an_existing_data_set_needs_no_heavy_import(made: DataSetPaths, home: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom topoqa_graphs import demo\n"
        "plan = demo.Plan({'train': ('2OOB',), 'val': ('1FFW',), 'test': ()}, 2, 7)\n"
        "print(demo.ensure(plan, Path(sys.argv[1]), None).version)\n"
        "print(sorted({'torch', 'scipy', 'mdtraj', 'gudhi', 'gemmi'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code, str(home)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    assert output.stdout.split() == [made.version, "[]"]


# Families and splits


@pytest.fixture(scope="module")
def chains() -> dict[tuple[str, str], str]:
    found = {}
    for path in sorted(demo.NATIVES.glob("*.pdb.gz")):
        native = read_structure(path)
        for chain in native.chains:
            found[native.name, chain] = sequence(native, residues_of(native, chain))
    return found


@pytest.fixture(scope="module")
def hits(chains: dict[tuple[str, str], str]) -> list[families.Homology]:
    return families.homologies(chains)


def test_every_native_is_in_one_split_and_none_is_missing() -> None:
    shipped = sorted(path.name.removesuffix(".pdb.gz") for path in demo.NATIVES.glob("*.pdb.gz"))
    assert Plan().targets == shipped
    assert len(shipped) == 32
    sizes = {split: len(names) for split, names in families.SPLITS.items()}
    assert sizes == {"train": 20, "val": 6, "test": 6}
    assert Plan().count >= 16


def test_no_relatives_are_in_different_splits(
    chains: dict[tuple[str, str], str], hits: list[families.Homology]
) -> None:
    groups = families.clusters({name for name, _ in chains}, hits)
    assert families.parted(groups) == []
    assert len(groups) == 16
    swap = {"1I2M": "1B6C", "1B6C": "1I2M"}
    swapped = {
        split: tuple(swap.get(name, name) for name in names)
        for split, names in families.SPLITS.items()
    }
    assert ["1I2M" in group for group in families.parted(groups, swapped)] == [True]


def test_sequences_find_what_they_must(hits: list[families.Homology]) -> None:
    pairs = {frozenset((hit.first[0], hit.second[0])) for hit in hits}
    for one, other in (("1EMV", "2WPT"), ("1BVK", "1WEJ"), ("2ABZ", "4CPA"), ("1CBW", "1EZU")):
        assert frozenset((one, other)) in pairs
    # All that sequences say was known before: nothing is related that FAMILIES does not name.
    named = [set(family.members) for family in families.FAMILIES]
    assert [pair for pair in pairs if not any(pair <= members for members in named)] == []


def test_families_name_shipped_complexes_alone() -> None:
    known = set(Plan().targets)
    for family in families.FAMILIES:
        assert set(family.members) <= known
        assert len(family.members) >= 2


def test_local_scores_are_smith_and_watermans() -> None:
    rng = np.random.default_rng(11)
    letters = np.array(list(families._LETTERS + "X"))
    drawn = ["".join(rng.choice(letters, size=size)) for size in (12, 30, 25, 18)]
    query = drawn[1][3:14] + drawn[2][5:20]
    expected = [plain_score(query, target) for target in drawn]
    assert families.local_scores(query, drawn) == expected
    assert max(expected) > 40


def plain_score(one: str, other: str) -> int:
    table = families._matrix()
    codes = families._codes(one), families._codes(other)
    shape = (len(one) + 1, len(other) + 1)
    best, down, right = np.zeros(shape), np.full(shape, -1e9), np.full(shape, -1e9)
    for i in range(1, shape[0]):
        for j in range(1, shape[1]):
            down[i, j] = max(best[i - 1, j] - families.GAP_OPEN, down[i - 1, j])
            down[i, j] -= families.GAP_EXTEND
            right[i, j] = max(best[i, j - 1] - families.GAP_OPEN, right[i, j - 1])
            right[i, j] -= families.GAP_EXTEND
            pair = best[i - 1, j - 1] + table[codes[0][i - 1], codes[1][j - 1]]
            best[i, j] = max(0, pair, down[i, j], right[i, j])
    return int(best.max())


def test_unrelated_sequences_are_not_related() -> None:
    rng = np.random.default_rng(12)
    letters = np.array(list(families._LETTERS))
    chains = {(f"T{n}", "A"): "".join(rng.choice(letters, size=150)) for n in range(40)}
    assert families.homologies(chains) == []


def test_the_matrix_is_symmetric_with_the_known_diagonal() -> None:
    table = families._matrix()
    assert np.array_equal(table, table.T)
    diagonal = dict(zip(families._LETTERS, np.diag(table), strict=False))
    assert [diagonal[letter] for letter in "ACGILPW"] == [4, 9, 6, 4, 4, 7, 11]


def test_provenance_names_every_native() -> None:
    text = (demo.NATIVES / "PROVENANCE.md").read_text()
    assert re.findall(r"^\| (\w{4}) \|", text, flags=re.MULTILINE) == Plan().targets
    for word in (
        "prodigy-prot",
        "2.4.0",
        "Apache",
        "CC0",
        "10.1002/pro.580",
        "10.7554/eLife.07454",
    ):
        assert word in text
