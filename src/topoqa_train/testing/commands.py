"""The contract of a command (entry-point group `topoqa_train.commands`)."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train.plugins import discovery, typer_command

# Seconds to import: not before there is something to train.
HEAVY = ("torch", "torch_geometric", "lightning", "pytorch_lightning", "pandas", "scipy")
_LONGEST_LINE = 124  # two lines of the list on a terminal of 80 columns

# Carries each command line out in this one process, as its own program would.
_PROBE = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from topoqa_train import cli

lines, heavy = json.loads(sys.argv[1])
ended = []
for line in lines:
    sys.argv = ["topoqa-train", *line]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            cli.main()
        except SystemExit as leaving:
            ended.append([leaving.code, out.getvalue(), err.getvalue()])
print(json.dumps({"ended": ended, "loaded": [name for name in heavy if name in sys.modules]}))
"""


@dataclass(frozen=True)
class _Ended:
    """How a command line ended."""

    status: int
    out: str
    err: str


def _carried_out(*lines: tuple[str, ...], folder: Path) -> tuple[list[_Ended], list[str]]:
    """How each of `lines` ends in a fresh process in `folder`, and which of `HEAVY` they load."""
    done = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-c", _PROBE, json.dumps([lines, HEAVY])],
        capture_output=True,
        text=True,
        cwd=folder,
        check=True,
    )
    found = json.loads(done.stdout)
    return [_Ended(*each) for each in found["ended"]], found["loaded"]


class CommandContract:
    """Subclass it and set `name`, the first word after `topoqa-train`."""

    name: str

    def lines(self) -> list[tuple[str, ...]]:
        """The words of every command below `name`, or `name` alone where there is none."""
        plugin = discovery.find(discovery.COMMANDS, "command", self.name)
        return _leaves((self.name,), typer_command.build(plugin))

    def test_the_list_of_commands_has_a_line_for_it(self) -> None:
        """Readable without importing it: a docstring, `help=` as a text, or the summary."""
        line = discovery.find(discovery.COMMANDS, "command", self.name).line
        assert line
        assert len(line) <= _LONGEST_LINE

    def test_help_is_quick(self, tmp_path: Path) -> None:
        """`--help` of it and of all below explains, and loads nothing that takes seconds."""
        asked = sorted({(self.name,), *self.lines()})
        ended, loaded = _carried_out(*((*words, "--help") for words in asked), folder=tmp_path)
        for words, end in zip(asked, ended, strict=True):
            assert (words, end.status) == (words, 0), end.err
            assert "Usage" in end.out
        assert loaded == []

    def test_a_wrong_option_is_refused(self, tmp_path: Path) -> None:
        """Status 2, something to read on standard error, nothing on standard output."""
        for words in self.lines():
            # A process for each: it may hand its options on to another one.
            done = subprocess.run(  # noqa: S603 - this Python
                [sys.executable, "-m", "topoqa_train", *words, "--no-such-option-as-this"],
                capture_output=True,
                text=True,
                cwd=tmp_path,
                check=False,
            )
            assert (words, done.returncode, done.stdout) == (words, 2, ""), done.stderr
            assert done.stderr
            assert "Traceback" not in done.stderr


def _leaves(words: tuple[str, ...], command: Any) -> list[tuple[str, ...]]:  # noqa: ANN401
    below = getattr(command, "commands", None)
    if not below:
        return [words]
    return [leaf for name, child in below.items() for leaf in _leaves((*words, name), child)]
