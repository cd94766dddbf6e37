"""Lines on a new user project: its files and the next commands."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from topoqa_train.errors import shown_path


def folder_lines(
    folder: Path, data: str, files: Sequence[tuple[str, str]], here: Path, *, own: bool
) -> list[str]:
    """Return the files with their descriptions, then the commands; `own`: not the demo data."""
    name = os.path.relpath(folder.absolute(), here)
    width = max(len(file) for file, _ in files)
    lines = [f"{shown_path(folder.absolute(), here)}/ trains on {data}"]
    lines += [f"  {file.ljust(width)}  {description}" for file, description in files]
    lines += ["Next:"]
    lines += [] if name == "." else [f"  cd {shlex.quote(name)}"]
    lines += [
        "  topoqa-train pipeline --dry-run    checks every path and label, trains nothing",
        "  topoqa-train pipeline              sweep, select the best, fine-tune, rank",
    ]
    if not own:
        lines += [
            "With your own data:",
            "  topoqa-train init DIR --graphs GRAPHS --labels labels.csv",
        ]
    return lines
