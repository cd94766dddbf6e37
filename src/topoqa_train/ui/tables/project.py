"""A folder that was made, as people read of it: what is in it, and what to type next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from topoqa_train.ui.tables.leaderboard import shown_path


def folder_lines(
    folder: Path, data: str, files: Sequence[tuple[str, str]], here: Path, *, own: bool
) -> list[str]:
    """The files with a few words each, then the commands; `own` where the data are one's own."""
    name = os.path.relpath(folder.absolute(), here)
    wide = max(len(file) for file, _ in files)
    lines = [f"{shown_path(folder.absolute(), here)}/ trains on {data}"]
    lines += [f"  {file.ljust(wide)}  {words}" for file, words in files]
    lines += ["Next:"]
    lines += [] if name == "." else [f"  cd {shlex.quote(name)}"]
    lines += [
        "  topoqa-train pipeline --dry-run    checks every path and label, trains nothing",
        "  topoqa-train pipeline              sweep, pick the best, fine-tune, rank",
    ]
    if not own:
        lines += [
            "With data of your own:",
            "  topoqa-train init DIR --graphs GRAPHS --labels labels.csv",
        ]
    return lines
