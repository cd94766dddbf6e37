"""The generated pages are what the code makes now, and a stale one is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import REPOSITORY
from projects import environment

DOCS = REPOSITORY / "docs"


def check(docs: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(docs / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the documents to change, with the files that they embed."""
    ignored = shutil.ignore_patterns("_build", "__pycache__")
    shutil.copytree(REPOSITORY / "tests/example_plugin", tmp_path / "tests/example_plugin")
    return Path(shutil.copytree(DOCS, tmp_path / "docs", ignore=ignored))


def test_the_reference_is_current() -> None:
    done = check(DOCS)
    assert done.returncode == 0, done.stderr


def test_stale_missing_and_orphaned_pages_are_named(copy: Path, tmp_path: Path) -> None:
    page = copy / "reference" / "commands.md"
    page.write_text(page.read_text().replace("--output-root", "--output-folder"))
    (copy / "reference" / "metrics.md").unlink()
    code = tmp_path / "tests/example_plugin/src/topoqa_baselines/network.py"
    code.write_text(code.read_text() + "# changed\n")
    (copy / "reference" / "forgotten.md").write_text("# Forgotten\n")
    done = check(copy)
    assert done.returncode == 1
    for name in ("commands.md", "metrics.md", "forgotten.md"):
        assert f"docs/reference/{name} is" in done.stderr
    assert "docs/how-to/write-a-plugin.md is" in done.stderr
    assert "config.md" not in done.stderr
