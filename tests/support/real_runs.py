"""Fixtures around one small real pipeline a session, which all workers of pytest-xdist share."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from filelock import FileLock
from program import Done, start_executable
from projects import Project, make_project, run_of


@dataclass(frozen=True)
class Trained:
    """A pipeline that completed, and what it printed. Don't change its files: copy them."""

    project: Project
    done: Done

    def run(self, job: str) -> Path:
        """Return the run of a job of the sweep."""
        return run_of(self.project.runs, job)

    @property
    def all(self) -> list[Path]:
        return sorted(
            path.parent
            for path in self.project.runs.glob("*/run_metadata.json")
            if not path.parent.is_symlink()
        )


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that every worker of this session sees."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def base_project(shared_folder: Path) -> Project:
    """Shared by all tests: don't change it."""
    root = shared_folder / "trained" / "p"
    with FileLock(shared_folder / "project.lock"):
        return Project(root) if root.exists() else make_project(root)


@pytest.fixture
def project(base_project: Project, tmp_path: Path) -> Project:
    """A copy to break."""
    shutil.copytree(base_project.root, tmp_path / "p", ignore=shutil.ignore_patterns("runs"))
    return Project(tmp_path / "p")


@pytest.fixture(scope="session")
def trained(base_project: Project, shared_folder: Path) -> Trained:
    """A pipeline of two jobs, phase 1 and two seeds of phase 2, by the real executable."""
    record = shared_folder / "trained" / "done.json"
    with FileLock(shared_folder / "trained.lock"):
        if record.exists():
            return Trained(base_project, Done(**json.loads(record.read_text())))
        arguments = ("-m", base_project.manifest, "--output-root", base_project.runs)
        done = start_executable("pipeline", *arguments)
        assert done.status == 0, done.err
        record.write_text(json.dumps(asdict(done)))
        return Trained(base_project, done)
