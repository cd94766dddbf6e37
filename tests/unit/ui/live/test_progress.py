from __future__ import annotations

import sys

import pytest

from topoqa_train.ui.live.progress import progress


def test_a_pipe_gets_a_line_at_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("building demo", 40) as advance:
        for _ in range(40):
            advance(1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "\x1b" not in captured.err
    assert captured.err.splitlines() == [
        "building demo: 0 of 40",
        *(f"building demo: {4 * tenth} of 40" for tenth in range(1, 10)),
        "building demo: done (40)",
    ]
    with progress("reading", 10) as advance:
        advance(5)
        advance(5)
    lines = ["reading: 0 of 10", "reading: 5 of 10", "reading: done (10)"]
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize("total", [None, 0])
def test_unknown_and_zero_totals(capsys: pytest.CaptureFixture[str], total: int | None) -> None:
    with progress("reading", total) as advance:
        advance(0)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("reading")
    assert last == "reading: done"


def test_an_error_is_not_reported_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), progress("reading", 10) as advance:  # noqa: PT012
        advance(3)
        raise KeyError
    assert "done" not in capsys.readouterr().err


def test_on_a_terminal_it_is_a_bar_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress("building", 4) as advance:
        for _ in range(4):
            advance(1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "4/4" in captured.err
    assert captured.err.count("\x1b[?25l") == captured.err.count("\x1b[?25h") == 1
