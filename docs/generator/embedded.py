"""Code of real files in pages written by hand, so that plain Markdown shows it.

A page marks a block with `<!-- file: PATH -->`, or `<!-- file: PATH until: TEXT -->` to stop before
the line that starts with TEXT; the fenced block after the mark is replaced by the file's content.
"""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"(<!-- file: (?P<path>\S+)(?: until: (?P<until>[^\n]+?))? -->\n)"
    r"```(?P<language>\w+)\n.*?^```$",
    re.MULTILINE | re.DOTALL,
)


def render(page: Path) -> str:
    """Return `page` with every marked block replaced by the current content of its file."""
    return _BLOCK.sub(_block, page.read_text("utf-8"))


def _block(found: re.Match[str]) -> str:
    lines = (REPOSITORY / found["path"]).read_text("utf-8").splitlines()
    if found["until"] is not None:
        end = next(i for i, line in enumerate(lines) if line.startswith(found["until"]))
        lines = lines[:end]
    code = "\n".join(lines).rstrip()
    return f"{found[1]}```{found['language']}\n{code}\n```"
