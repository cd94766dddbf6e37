"""File systems of their own, for what only a real one shows; making one takes root on Linux."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def tmpfs(folder: Path, *options: str) -> Iterator[None]:
    """Mount one on `folder`, which is made; the test is skipped where that can't be done."""
    folder.mkdir()
    chosen = ["-o", ",".join(options)] if options else []
    mount = ["mount", "-t", "tmpfs", *chosen, "tmpfs", str(folder)]
    try:
        made = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if made.returncode:
        pytest.skip(f"a tmpfs can't be mounted here: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, *options: str) -> None:
    """Change what is mounted on `folder`."""
    chosen = ",".join(("remount", *options))
    subprocess.run(["mount", "-o", chosen, str(folder)], check=True)
