"""The generated pages are what the code makes now, and a stale one is named."""

from __future__ import annotations

import importlib
import shutil
import sys

import pytest
from documents import REPOSITORY

DOCS = REPOSITORY / "docs"


@pytest.fixture(scope="module")
def generate():
    """The program that writes the pages, with all of them rendered once."""
    sys.path.insert(0, str(DOCS))
    module = importlib.import_module("generate")
    sys.path.remove(str(DOCS))
    pages = {name: render() for name, render in module.PAGES.items()}
    module.PAGES = {name: lambda text=text: text for name, text in pages.items()}
    return module


@pytest.fixture
def check(generate, monkeypatch, capsys):
    def run(docs):
        monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
        monkeypatch.setattr(generate, "FOLDER", docs / "reference")
        monkeypatch.setattr(generate, "REPOSITORY", docs.parent)
        return generate.main(), capsys.readouterr().err

    return run


def test_the_reference_is_current(check):
    assert check(DOCS) == (0, "")


def test_stale_missing_and_orphaned_pages_are_named(check, tmp_path):
    ignored = shutil.ignore_patterns("_build", "__pycache__")
    copy = shutil.copytree(DOCS, tmp_path / "docs", ignore=ignored)
    page = copy / "reference" / "commands.md"
    page.write_text(page.read_text().replace("--output-root", "--output-folder"))
    (copy / "reference" / "metrics.md").unlink()
    (copy / "reference" / "forgotten.md").write_text("# Forgotten\n")
    status, err = check(copy)
    assert status == 1
    for name in ("commands.md", "metrics.md", "forgotten.md"):
        assert f"docs/reference/{name} is" in err
    assert "docs/reference/config.md" not in err
