from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from topoqa_train.errors import ConfigError, MachineError, Problem, RequestError, TopoqaTrainError
from topoqa_train.ui import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


LONG = "[bold]a[/bold] :smile: x.yaml:100: [/x] " + "long " * 100 + "/path/to/a"


def test_a_line_is_neither_wrapped_nor_read_as_markup(capsys: pytest.CaptureFixture[str]) -> None:
    console.notify(LONG)
    console.show_error(RequestError(LONG, details=[LONG], hint=LONG))
    assert capsys.readouterr().err == f"{LONG}\n{LONG}:\n  {LONG}\n{LONG}\n"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MachineError("disk full"), "disk full\n"),
        *(
            (MachineError(message, details=["x"]), f"{message}\n  x\n")
            for message in ("what now?", "It ended.", "as follows:")
        ),
        (
            ConfigError("x is not valid", [Problem("no", "a", 1), Problem("no", "b", 22)]),
            "x is not valid:\n  line 1: a: no\n  line 22: b: no\n",
        ),
    ],
)
def test_a_colon_comes_before_details_unless_a_punctuation_mark_does(
    capsys: pytest.CaptureFixture[str], error: TopoqaTrainError, text: str
) -> None:
    console.show_error(error)
    assert capsys.readouterr() == ("", text)


def test_a_pipe_is_wide_and_plain(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console.out().width == console.err().width == console.PLAIN_WIDTH
    console.out().print("x", style="bold red")
    assert capsys.readouterr().out == "x\n"
    assert not console.is_live(console.err())
    monkeypatch.setenv("COLUMNS", "80")
    assert console.out().width == 80


HOSTILE = "a\x1b[2J\x07\r\x9b31m\u202eb\x1b]0;title\x07\u2028"


def test_names_in_tables_are_literal_and_control_characters_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.notify(HOSTILE)
    console.show_error(RequestError(HOSTILE, details=[HOSTILE], hint=HOSTILE))
    table = Table("name", box=None)
    table.add_row(HOSTILE)
    table.add_row("/data/[red]/x.yaml:100: [/b]")
    console.out().print(table)
    captured = capsys.readouterr()
    assert "/data/[red]/x.yaml:100: [/b]" in captured.out
    for text in (captured.out, captured.err):
        assert text.replace("\n", "").isprintable()
        assert "a\\u001b[2J" in text


def test_on_a_terminal_errors_are_red_and_names_still_escaped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    for name in ("NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys, "stderr", terminal)
    console.show_error(MachineError("a\x1b[0m"))
    assert terminal.getvalue() == "\x1b[1;31ma\\u001b[0m\x1b[0m\n"


@pytest.mark.parametrize(("kind", "live"), [("xterm-256color", True), ("dumb", False)])
def test_a_dumb_terminal_is_not_live(
    monkeypatch: pytest.MonkeyPatch, kind: str, live: bool
) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert console.is_live(console.err()) is live


@pytest.mark.parametrize("number", [5, 32], ids=["closed terminal", "reader that left"])
def test_a_lost_standard_error_stops_nothing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    class Gone(Terminal):
        def write(self, words: str) -> int:
            raise OSError(number, os.strerror(number))

        def flush(self) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sys, "stderr", Gone())
    console.guard_streams()
    console.notify("word")
    console.err().print("word", style="bold red")
    assert sys.stderr.isatty()
    assert sys.stderr.write("word") == 4


@pytest.mark.parametrize(
    ("number", "kind"), [(5, BrokenPipeError), (32, BrokenPipeError), (28, OSError)]
)
def test_a_closed_terminal_is_a_broken_pipe(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: type[OSError]
) -> None:
    class Gone(Terminal):
        def flush(self) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", Terminal())
    console.guard_streams()
    assert sys.stdout.write("result") == 6
    with pytest.raises(kind):
        sys.stdout.flush()


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (1, 2), (0, 1, 2)], ids=str)
def test_a_file_never_gets_the_descriptor_of_a_closed_stream(
    tmp_path: Path, closed: tuple[int, ...]
) -> None:
    code = (
        "import os, sys\n"
        "from topoqa_train.ui import console\n"
        "console.guard_streams()\n"
        "file = open(sys.argv[1], 'w')\n"
        "assert file.fileno() > 2\n"
        "console.notify('word')\n"
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
