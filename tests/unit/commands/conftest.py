from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from topoqa_train import cli


@pytest.fixture
def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The program with these arguments in this process: exit status, output, errors."""
    monkeypatch.setenv("COLUMNS", "200")
    for name in (cli.DEBUG_VARIABLE, "TOPOQA_TRAIN_RUNS", "TOPOQA_TRAIN_KEEP_RUNS"):
        monkeypatch.delenv(name, raising=False)

    def _typed(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [cli.PROGRAM, *map(str, arguments)])
        return (cli._status(), *capsys.readouterr())

    return _typed


@pytest.fixture
def up_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """The program in an empty folder, up to functions of workflows: its status and their arguments.

    Of the arguments the first is kept, and those given by name.
    """
    monkeypatch.chdir(tmp_path)
    for name in (cli.DEBUG_VARIABLE, "TOPOQA_TRAIN_RUNS"):
        monkeypatch.delenv(name, raising=False)
    given: list[Any] = []

    def take(request: object, *_: object, **options: object) -> None:
        given.extend([request, *options.values()])
        raise SystemExit(0)

    def _up_to(*functions: tuple[ModuleType, str]) -> Callable[..., tuple[int, list[Any]]]:
        for module, name in functions:
            monkeypatch.setattr(module, name, take)

        def _call(*arguments: str) -> tuple[int, list[Any]]:
            given.clear()
            monkeypatch.setattr(sys, "argv", [cli.PROGRAM, *arguments])
            return cli._status(), list(given)

        return _call

    return _up_to
