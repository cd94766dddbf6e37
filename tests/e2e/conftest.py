"""Whole commands on one small real pipeline; most are called in this process."""

from __future__ import annotations

import pytest
from program import Cli, call_main, start_executable
from real_runs import base_project, project, shared_folder, trained  # noqa: F401


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Call the program in this process."""
    return call_main


@pytest.fixture(scope="session")
def executable() -> Cli:
    """Run the real executable to its end, for what only a process shows."""
    return start_executable
