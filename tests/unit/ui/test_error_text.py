from __future__ import annotations

import sys

import pytest

from topoqa_train.errors import ConfigError, DataError, MachineError, Problem, TopoqaTrainError
from topoqa_train.ui import error_text


def shown(error: TopoqaTrainError, capsys: pytest.CaptureFixture[str]) -> str:
    error_text.show(error)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "\x1b" not in captured.err
    return captured.err


def test_what_where_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    error = DataError("val: 3 of 64 labelled decoys have no graph", details=["1ABC_004"], hint="Go")
    assert shown(error, capsys) == ("val: 3 of 64 labelled decoys have no graph:\n  1ABC_004\nGo\n")


def test_a_config_s_faults_each_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = ConfigError("x is not a valid config", [Problem("no", "a", 1), Problem("no", "b", 22)])
    assert shown(error, capsys).splitlines() == [
        "x is not a valid config:",
        "  line 1   a  no",
        "  line 22  b  no",
    ]


@pytest.mark.parametrize("message", ["what now?", "It ended.", "as follows:"])
def test_a_sentence_that_ends_gets_no_colon(
    capsys: pytest.CaptureFixture[str], message: str
) -> None:
    assert shown(MachineError(message, details=["x"]), capsys) == f"{message}\n  x\n"


def test_without_more_to_say_it_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(MachineError("no room"), capsys) == "no room\n"


def test_nothing_is_taken_for_markup_nor_broken_into_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = "/data/[red]" + "very_long_folder/" * 30 + "x.pt"
    error = DataError(f"no {path}", details=[f"at {path}"], hint=f"Look at {path} [/bold]")
    assert shown(error, capsys).splitlines() == [
        f"no {path}:",
        f"  at {path}",
        f"Look at {path} [/bold]",
    ]


def test_on_a_terminal_it_has_colour_and_the_same_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    error_text.show(MachineError("no room", hint="Make room."))
    err = capsys.readouterr().err
    assert "\x1b[1;31mno room" in err
    assert "Make room.\n" in err
