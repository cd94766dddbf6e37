"""What README and tutorial tell a newcomer to type is typed, line by line, in a fresh copy.

Takes a quarter of an hour and installs from the package index: `nox -s readme`. CI types the
README's first line alone: `nox -s readme -- -k first_line`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from documents import REPOSITORY, shell_lines

TESTS = "pip install nox && nox -s tests"
NATIVES = REPOSITORY / "plugins" / "topoqa-graphs" / "src" / "topoqa_graphs" / "natives"
# The complexes that the pages speak of, and what stands for them.
STAND_INS = {"1ABC": "1AK4", "2XYZ": "2OOB", "3KLM": "1EFN", "4PQR": "1FFW"}
DECOYS = 8


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files of the project that git knows or would take, and nothing else."""
    folder = tmp_path_factory.mktemp("newcomer") / "topoqa-train"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def newcomer(checkout: Path) -> dict[str, str]:
    """The environment of someone who has never used the program."""
    ours = ("TOPOQA_", "VIRTUAL_ENV", "PYTHON", "NOX_", "COLUMNS", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "XDG_CACHE_HOME": str(checkout.parent / "cache")}


def type_in(lines: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run `lines` in one shell; the first that fails ends it and is shown with what it said."""
    script, log = folder.parent / "typed.sh", folder.parent / "typed.log"
    script.write_text("\n".join(lines) + "\n")
    with log.open("w") as file:
        done = subprocess.run(
            ["bash", "-o", "errexit", "-o", "pipefail", "-o", "verbose", str(script)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = log.read_text()
    assert done.returncode == 0, said[-4000:]
    assert "Traceback" not in said
    return said


def test_the_first_line_of_the_readme(checkout: Path, newcomer: dict[str, str]) -> None:
    said = type_in(shell_lines(checkout / "README.md")[:1], checkout, newcomer)
    assert "Winner: training_runs/" in said


def test_the_other_lines_of_the_readme(checkout: Path, newcomer: dict[str, str]) -> None:
    """In the environment and beside the runs that the first line has made."""
    tests, *own = shell_lines(checkout / "README.md")[1:]
    assert tests == TESTS  # the line that CI runs: see tests/docs
    make_decoys(checkout, newcomer)
    said = type_in([". .venv/bin/activate", *own], checkout, newcomer)
    assert "Winner: " in said


def test_every_line_of_the_tutorial(checkout: Path, newcomer: dict[str, str]) -> None:
    said = type_in(shell_lines(checkout / "docs" / "tutorial.md"), checkout, newcomer)
    assert "Winner: training_runs/" in said


def make_decoys(checkout: Path, environment: dict[str, str]) -> None:
    """`natives/` and `decoys/` as the README takes them for granted."""
    natives = checkout / "natives"
    natives.mkdir()
    for name, stand_in in STAND_INS.items():
        shutil.copy(NATIVES / f"{stand_in}.pdb.gz", natives / f"{name}.pdb.gz")
    executable = checkout / ".venv" / "bin" / "topoqa-train"
    options = ["--native", "natives", "--out", "decoys", "--count", str(DECOYS)]
    subprocess.run(
        [executable, "graphs", "decoys", *options], cwd=checkout, env=environment, check=True
    )
