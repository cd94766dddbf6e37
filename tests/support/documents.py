"""What the documents tell their reader to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_FENCE = re.compile(r"^(`{3,})([^\n`]*)\n(.*?)^\1`*[ ]*$", re.MULTILINE | re.DOTALL)
_OURS = (("topoqa-train",), ("python", "-m", "topoqa_train"))


@dataclass(frozen=True)
class Block:
    """A fenced block: `language` is the word after the fence, `line` that of its first line."""

    file: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.file.relative_to(REPOSITORY)}:{self.line}"


def documents() -> list[Path]:
    """Every page that people read."""
    pages = (REPOSITORY / "docs").rglob("*.md")
    top = sorted(REPOSITORY.glob("*.md"))
    return [*top, *sorted(page for page in pages if "_build" not in page.parts)]


def blocks(file: Path, language: str) -> list[Block]:
    """The fenced blocks of `language` in the file's order."""
    text = file.read_text("utf-8")
    return [
        Block(file, text.count("\n", 0, found.start(3)) + 1, language, found[3])
        for found in _FENCE.finditer(text)
        if found[2].strip() == language
    ]


def shell_lines(file: Path) -> list[str]:
    """Every shell line of the file, as typed: comments gone, continued lines joined."""
    joined = "".join(block.text for block in blocks(file, "shell")).replace("\\\n", " ")
    lines = (line.strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def simple_commands(line: str) -> Iterator[list[str]]:
    """The commands that a shell line is made of, each as its words."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            if words:
                yield words
            words = []
        elif words or not re.match(r"\w+=", word):  # an assignment may stand before a command
            words.append(word)


def own_arguments(file: Path) -> list[list[str]]:
    """The arguments of each `topoqa-train ...` in a document's shell lines."""
    return [
        words[len(start) :]
        for line in shell_lines(file)
        for words in simple_commands(line)
        for start in _OURS
        if tuple(words[: len(start)]) == start
    ]
