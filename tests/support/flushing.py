"""In which order files are brought to the disk and given their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def watch(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by the name of each file that is flushed, and by `renamed`."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to tell what is flushed")
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor: int) -> None:
        steps.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def watched_replace(self: Path, target: Path) -> Path:
        steps.append("renamed")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    return steps
