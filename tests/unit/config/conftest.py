from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from topoqa_train.config.overrides import Override, parse_override
from topoqa_train.errors import ConfigError

Write = Callable[[str, str], Path]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(here: Path) -> Write:
    """Write a file of the working directory from indented text; return its relative path."""

    def _write(name: str, text: str) -> Path:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return Path(name)

    return _write


@pytest.fixture
def over(here: Path) -> Callable[..., list[Override]]:
    """Return overrides of the command line, given in the working directory."""
    return lambda *texts: [parse_override(text, base=here) for text in texts]


@pytest.fixture
def error_of() -> Callable[[Callable[[], object]], ConfigError]:
    """Return the `ConfigError` that a call raises."""

    def _error_of(call: Callable[[], object]) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            call()
        assert caught.value.exit_status == 2
        return caught.value

    return _error_of
