"""`topoqa-train graphs`, from the command line's side."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from topoqa_graphs.commands import app
from topoqa_train.errors import DataError, RequestError

Write = Callable[[str, str], Path]


@pytest.fixture
def run() -> Callable[..., Any]:
    """Errors are left to the caller, as they are to `topoqa_train.cli`."""
    runner = CliRunner()

    def invoke(*arguments: object) -> Any:
        return runner.invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def decoys(make: Any, write: Write) -> Path:
    write("decoys/T1_0.pdb", make.pdb(make.two_strands(y=5)))
    return write("decoys/T1_1.pdb", make.pdb(make.two_strands(y=6))).parent


def test_the_commands_load_nothing_heavy() -> None:
    code = (
        "import sys, topoqa_graphs.commands;"
        "print(sorted({'torch', 'numpy', 'scipy', 'gemmi', 'gudhi', 'mdtraj'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_building_loads_no_torch_in_workers() -> None:
    code = "import sys, topoqa_graphs.workers, gudhi, mdtraj; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("command", [[], ["build"], ["decoys"], ["validate"], ["demo"]])
def test_help(run: Callable[..., Any], command: list[str]) -> None:
    assert run(*command, "--help").exit_code == 0


def test_build_and_validate(run: Callable[..., Any], decoys: Path, tmp_path: Path) -> None:
    built = run("build", "--structures", decoys, "--out", tmp_path / "out", "--jobs", 1)
    assert built.exit_code == 0, built.output
    assert built.stdout == ""
    assert "2 graphs built, 0 kept" in built.stderr
    seen = run("validate", tmp_path / "out")
    assert seen.exit_code == 0
    assert seen.stdout == ""
    assert "2 graphs (2 with 172 columns per node, 11 per edge), 0 with errors" in seen.stderr


def test_failures_end_with_status_2_and_the_good_stay(
    run: Callable[..., Any], decoys: Path, write: Write, tmp_path: Path
) -> None:
    write("decoys/T1_bad.pdb", "")
    arguments = ("build", "--structures", decoys, "--out", tmp_path / "out", "-j", 1, "--json")
    done = run(*arguments)
    assert isinstance(done.exception, DataError)
    assert done.exception.exit_status == 2
    assert done.exception.details[0].endswith("T1_bad.pdb: no amino acids in it; no atoms")
    document = json.loads(done.stdout)
    assert document["built"] == ["T1_0", "T1_1"]
    assert [Path(failed["file"]).name for failed in document["failed"]] == ["T1_bad.pdb"]


def test_options_of_build(run: Callable[..., Any], decoys: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    common = ("build", "--structures", decoys, "--out", out, "--jobs", 1)
    assert run(*common, "--compat", "published", "--partners", "A:B").exit_code == 0
    entry = json.loads((out / "graph_metadata.json").read_text())["T1_0"]
    assert entry["edge_metadata"]["edge_feature_variant"] == "topoqa-xyy-published"
    assert entry["stamp"]["partners"] == "A:B"
    wrong = run(*common, "--compat", "other")
    assert isinstance(wrong.exception, RequestError)
    assert "--compat published" in (wrong.exception.hint or "")
    assert isinstance(run(*common, "--partners", "A").exception, RequestError)
    assert run(*common, "--jobs", 0).exit_code == 2


def test_validate_finds_errors(run: Callable[..., Any], decoys: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("build", "--structures", decoys, "--out", out, "--jobs", 1)
    (out / "graph_data" / "T1_0.pt").write_bytes(b"")
    seen = run("validate", out)
    assert seen.exit_code == 2
    assert "T1_0" in seen.stdout
    assert "broken" in seen.stdout
    as_json = run("validate", out, "--json")
    assert as_json.exit_code == 2
    document = json.loads(as_json.stdout)
    assert document["graphs"] == 2
    assert [entry["graph"] for entry in document["faults"]] == ["T1_0"]


def test_decoys_are_made_and_can_be_built(
    run: Callable[..., Any], natives: Path, tmp_path: Path
) -> None:
    native = natives / "2OOB.pdb.gz"
    made = run("decoys", "--native", native, "--out", tmp_path / "d", "--count", 2, "--seed", 1)
    assert made.exit_code == 0, made.output
    assert made.stdout.strip() == str(tmp_path / "d" / "labels.csv")
    arguments = ("--structures", tmp_path / "d", "--out", tmp_path / "out", "--native-dir", natives)
    built = run("build", *arguments, "--jobs", 1)
    assert built.exit_code == 0, built.output
    mine = (tmp_path / "out" / "labels.csv").read_text().splitlines()
    theirs = (tmp_path / "d" / "labels.csv").read_text().splitlines()
    assert len(mine) == 3
    assert all(long.startswith(short) for long, short in zip(theirs, mine, strict=True))


def test_decoys_of_a_folder_without_natives(run: Callable[..., Any], tmp_path: Path) -> None:
    wrong = run("decoys", "--native", tmp_path, "--out", tmp_path / "d")
    assert isinstance(wrong.exception, RequestError)
    assert "no structures" in wrong.exception.message
    assert not (tmp_path / "d").exists()


def test_demo_in_a_folder_wants_one_to_keep_structures(run: Callable[..., Any]) -> None:
    wrong = run("demo", "--keep-structures")
    assert isinstance(wrong.exception, RequestError)
    assert "--out" in wrong.exception.message
