"""Write `docs/reference/` from the code, and the schemas beside the recipes.

With `--check` it says which of them are stale. Exit status 1 if any is, or if a page stands there
that nothing makes.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from generator import api, commands, config, exits, metrics, run_directory, schemas

from topoqa_train.config.schema import CONFIG_FILE, MANIFEST_FILE

FOLDER = Path(__file__).resolve().parent / "reference"
REPOSITORY = FOLDER.parents[1]
PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.render,
    "config.md": config.render_config,
    "manifest.md": config.render_manifest,
    "run-directory.md": run_directory.render,
    "metrics.md": metrics.render,
    "documents.md": schemas.render_page,
    "exit-status.md": exits.render_exits,
    "environment.md": exits.render_environment,
    "plugin-api.md": api.render,
    **{name: partial(schemas.render, name) for name in schemas.SCHEMAS},
    # Beside the recipes too, where their first line names it.
    f"../../configs/{CONFIG_FILE}": partial(schemas.render, CONFIG_FILE),
    f"../../manifests/{MANIFEST_FILE}": partial(schemas.render, MANIFEST_FILE),
}
# Written by hand.
OTHERS = {"index.md"}
_SHOWN_LINES = 12


def main() -> int:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on stale pages")
    check = parser.parse_args().check
    made = {name: render() for name, render in PAGES.items()}
    if check:
        return _check(made)
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def _check(made: dict[str, str]) -> int:
    stale = [name for name, text in made.items() if _current(name) != text]
    there = {path.name for pattern in ("*.md", "*.json") for path in FOLDER.glob(pattern)}
    orphans = sorted(there - set(made) - OTHERS)
    for name in stale:
        file = (FOLDER / name).resolve().relative_to(REPOSITORY)
        sys.stderr.write(f"{file} is stale: run python docs/generate.py\n")
        sys.stderr.writelines(_difference(_current(name), made[name]))
    for name in orphans:
        sys.stderr.write(f"docs/reference/{name} is made by nothing: remove it\n")
    return 1 if stale or orphans else 0


def _current(name: str) -> str:
    path = FOLDER / name
    return path.read_text("utf-8") if path.is_file() else ""


def _difference(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    return [f"  {line[:160]}\n" for line in changed[:_SHOWN_LINES]]


if __name__ == "__main__":
    sys.exit(main())
