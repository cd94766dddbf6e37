"""The contract of a command (entry-point group `topoqa_train.commands`)."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train.plugins import discovery, typer_command

# They take seconds to import, so only a training may load them.
HEAVY = ("torch", "torch_geometric", "lightning", "pytorch_lightning", "pandas", "scipy")
_LONGEST_LINE = 124  # two lines of the list of commands, 80 columns wide

# Runs each command line in one process, as if each were a program of its own.
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
    """Exit status and output of a command line."""

    status: int
    out: str
    err: str


def _run_lines(*lines: tuple[str, ...], folder: Path) -> tuple[list[_Ended], list[str]]:
    """Run `lines` in a new process in `folder`; return their ends and what it loads of `HEAVY`."""
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
    """A suite: subclass it and set `name`, the first word after `topoqa-train`."""

    name: str

    def lines(self) -> list[tuple[str, ...]]:
        """Return the words of every command below `name`, or `name` alone if there is none."""
        plugin = discovery.find(discovery.COMMANDS, "command", self.name)
        return _leaves((self.name,), typer_command.build(plugin))

    def test_the_list_of_commands_has_a_line_for_it(self) -> None:
        """Check for a line that can be read without importing: docstring, `help=` or summary."""
        line = discovery.find(discovery.COMMANDS, "command", self.name).line
        assert line
        assert len(line) <= _LONGEST_LINE

    def test_help_is_quick(self, tmp_path: Path) -> None:
        """Check that every `--help` shows a usage line and loads nothing heavy."""
        asked = sorted({(self.name,), *self.lines()})
        ended, loaded = _run_lines(*((*words, "--help") for words in asked), folder=tmp_path)
        for words, end in zip(asked, ended, strict=True):
            assert (words, end.status) == (words, 0), end.err
            assert "Usage" in end.out
        assert loaded == []

    def test_a_wrong_option_is_refused(self, tmp_path: Path) -> None:
        """Check for status 2, a message on standard error and nothing on standard output."""
        for words in self.lines():
            # One process each, because a command may pass its options on to another one.
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
