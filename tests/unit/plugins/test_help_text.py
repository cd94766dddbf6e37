from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from topoqa_train.plugins.help_text import written_help

SOURCE = '''
import no_such_library
import typer
raise RuntimeError("this must not run")

def function():
    """Of a function.

    More of it.
    """

class Class:
    """Of a class."""

app = typer.Typer(help="Of an app.", no_args_is_help=True)
typed: typer.Typer = typer.Typer(help="Of an app with a type.")
bare = typer.Typer()

@bare.callback()
def _bare():
    """Of a callback."""

@app.command()
def sub():
    """Of another command."""

def silent(): ...
made = typer.Typer(help="put " + "together")
number = 4
'''


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str | None]:
    """Return the help of an object in a module and package that can't be imported."""
    package = tmp_path / "package_of_tests" / "inner"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("1 / 0")
    (package / "says.py").write_text(SOURCE)
    (package / "wrong.py").write_text("def function(:")
    (package / "latin.py").write_bytes(b'# coding: latin-1\ndef f():\n    """\xc9t\xe9."""\n')
    (package / "bytes.py").write_bytes(b"\x00\xff")
    monkeypatch.syspath_prepend(str(tmp_path))

    def read(value: str) -> str | None:
        return written_help(EntryPoint("name", value, "group"))

    return read


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("function", "Of a function.\n\nMore of it."),
        ("Class", "Of a class."),
        ("app", "Of an app."),
        ("typed", "Of an app with a type."),
        ("bare", "Of a callback."),
        ("silent", None),
        ("made", None),
        ("number", None),
        ("missing", None),
    ],
)
def test_the_text_in_the_source(
    written: Callable[[str], str | None], name: str, text: str | None
) -> None:
    assert written(f"package_of_tests.inner.says:{name}") == text
    assert not any(module.startswith("package_of_tests") for module in sys.modules)


@pytest.mark.parametrize(
    "value",
    [
        "package_of_tests.inner.wrong:function",
        "package_of_tests.inner.bytes:f",
        "package_of_tests.inner.missing:f",
        "package_of_tests.inner:f",
        "no_such_package.module:f",
        "math:sqrt",
        "sys:exit",
        "not an entry point",
        "",
    ],
)
def test_an_unreadable_source_has_no_text(written: Callable[[str], str | None], value: str) -> None:
    assert written(value) is None


def test_the_encoding_that_the_source_declares_is_used(
    written: Callable[[str], str | None],
) -> None:
    assert written("package_of_tests.inner.latin:f") == "Été."
