from __future__ import annotations

import sys
from collections.abc import Callable

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
