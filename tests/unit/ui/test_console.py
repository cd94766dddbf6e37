from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from topoqa_train.errors import RequestError
from topoqa_train.ui import console, error_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_results_go_out_and_words_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    console.out().print("result")
    console.say("word")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("result\n", "word\n")


def test_a_line_stands_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    line = "[bold]a[/bold] :smile: x.yaml:100: [/x] " + "long " * 100 + "/path/to/a"
    console.say(line)
    assert capsys.readouterr().err == f"{line}\n"


def test_a_pipe_is_wide_and_has_no_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console.out().width == console.err().width == console.PLAIN_WIDTH
    console.out().print("x", style="bold red")
    assert capsys.readouterr().out == "x\n"
    assert not console.is_live(console.err())


def test_names_in_tables_stand_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("[x]", box=None)
    table.add_row("/data/[red]/x.yaml:100: [/b]")
    console.out().print(table)
    assert capsys.readouterr().out.split("\n")[1].strip() == "/data/[red]/x.yaml:100: [/b]"


HOSTILE = "a\x1b[2J\x07\r\x9b31m\u202eb\x1b]0;title\x07\u2028"


def test_what_would_command_a_terminal_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    console.say(HOSTILE)
    error_text.show(RequestError(HOSTILE, details=[HOSTILE], hint=HOSTILE))
    table = Table("name", box=None)
    table.add_row(HOSTILE)
    console.out().print(table)
    captured = capsys.readouterr()
    assert captured.err.startswith("a\\u001b[2J")
    for text in (captured.out, captured.err):
        assert text.replace("\n", "").isprintable()
        assert "a\\u001b[2J" in text


def test_our_own_colours_are_no_words_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    for name in ("NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stderr", terminal)
    console.err().print(Text("a\x1b[0m", style="bold red"))
    assert terminal.getvalue() == "\x1b[1;31ma\\u001b[0m\x1b[0m\n"


def test_columns_hold_for_a_pipe_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert console.out().width == 80


@pytest.mark.parametrize(("kind", "live"), [("xterm-256color", True), ("dumb", False)])
def test_only_a_terminal_that_can_is_live(
    monkeypatch: pytest.MonkeyPatch, kind: str, live: bool
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert console.is_live(console.err()) is live


def test_a_file_is_not_live() -> None:
    assert not console.is_live(Console(file=io.StringIO()))


@pytest.mark.parametrize("number", [5, 32], ids=["closed terminal", "reader that left"])
def test_words_that_nobody_can_hear_stop_nothing(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    class Gone(Terminal):
        def write(self, words: str) -> int:
            raise OSError(number, os.strerror(number))

        def flush(self) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sys, "stderr", Gone())
    console.keep_streams()
    console.say("word")
    console.err().print("word", style="bold red")
    assert sys.stderr.isatty()
    assert sys.stderr.write("word") == 4


@pytest.mark.parametrize(
    ("number", "kind"), [(5, BrokenPipeError), (32, BrokenPipeError), (28, OSError)]
)
def test_a_terminal_that_was_closed_is_a_reader_that_left(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: type[OSError]
) -> None:
    class Gone(Terminal):
        def flush(self) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", Terminal())
    console.keep_streams()
    assert sys.stdout.write("result") == 6
    with pytest.raises(kind):
        sys.stdout.flush()


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (1, 2), (0, 1, 2)], ids=str)
def test_no_file_is_mistaken_for_a_stream_that_was_closed(
    tmp_path: Path, closed: tuple[int, ...]
) -> None:
    code = (
        "import os, sys\n"
        "from topoqa_train.ui import console\n"
        "console.keep_streams()\n"
        "file = open(sys.argv[1], 'w')\n"
        "assert file.fileno() > 2\n"
        "console.say('word')\n"
        "console.out().print('result')\n"
        "os.write(2, b'a library')\n"
        "file.write('mine')\n"
    )
    shell = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    command = f'exec "$0" -c "$1" "$2" {shell}'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, code, str(tmp_path / "file")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tmp_path / "file").read_text() == "mine"
    assert done.returncode == 0
    assert done.stdout == ("" if 1 in closed else "result\n")
    assert done.stderr == ("" if 2 in closed else "word\na library")
