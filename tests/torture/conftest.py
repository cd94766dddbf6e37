"""Hours of a bad day: files from third parties, kills, full disks, many users at once."""

from __future__ import annotations

import pytest
from program import Cli, start_executable
from real_runs import base_project, project, shared_folder, trained  # noqa: F401


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run the real executable to its end."""
    return start_executable
