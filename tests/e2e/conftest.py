"""One small real pipeline a session, through the real executable, that many tests look at."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from projects import EXECUTABLE, Project, assert_no_trace, environment, make_project, run_of


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def base_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Shared by all tests: don't change it."""
    return make_project(tmp_path_factory.mktemp("project") / "p")


@pytest.fixture
def project(base_project: Project, tmp_path: Path) -> Project:
    """A copy to break."""
    shutil.copytree(base_project.root, tmp_path / "p", ignore=shutil.ignore_patterns("runs"))
    return Project(tmp_path / "p")


Cli = Callable[..., Done]


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run the real executable to its end."""

    def run(*arguments: object, cwd: Path | None = None, **changes: str) -> Done:
        done = subprocess.run(
            [EXECUTABLE, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=environment(**changes),
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert_no_trace(done.stderr)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@dataclass(frozen=True)
class Trained:
    """The pipeline of the session and what it printed."""

    project: Project
    done: Done

    def run(self, job: str) -> Path:
        """The run of a job of the sweep."""
        return run_of(self.project.runs, job)

    @property
    def all(self) -> list[Path]:
        return sorted(
            path.parent
            for path in self.project.runs.glob("*/run_metadata.json")
            if not path.parent.is_symlink()
        )


@pytest.fixture(scope="session")
def trained(base_project: Project, cli: Cli) -> Trained:
    """A pipeline of two jobs, phase 1 and two seeds of phase 2."""
    done = cli("pipeline", "-m", base_project.manifest, "--output-root", base_project.runs)
    assert done.status == 0, done.err
    return Trained(base_project, done)
