from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from topoqa_train.inspection import monitor as workflow
from topoqa_train.runs import status
from topoqa_train.runs.paths import RunPaths
from topoqa_train.ui.live import monitor
from topoqa_train.ui.live.monitor import MonitorLines, MonitorScreen
from topoqa_train.views.json_models import MonitorDocument

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
RUNNING = {
    "status": "running",
    "process": status.this_process(),
    "training_parameters": {"num_epochs": 9},
}
Document = Callable[..., MonitorDocument]


@pytest.fixture
def document(run_files: Any, clock: Any, epoch: Any) -> Document:
    numbers = iter(range(1000))

    def _document(epochs: int, **changes: Any) -> MonitorDocument:
        measured = [epoch(0.05)] * epochs
        run = run_files(f"r{next(numbers)}", measured, **{**RUNNING, **changes})
        found = workflow.look(RunPaths(run), clock, lambda path: path.relative_to(run))
        return found.model_copy(update={"run_id": "r"})

    return _document


def terminal(width: int = 80, height: int = 24) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=True, width=width, height=height, color_system="truecolor"
    )
    return console, file


class TestScreen:
    def test_the_last_picture_remains_with_the_path_of_the_best(self, document: Document) -> None:
        console, file = terminal()
        with MonitorScreen(console, 5) as screen:
            screen.show(document(1))
            screen.show(document(9, status="completed"))
        last = CONTROL.sub("", file.getvalue()).split("completed")[-1]
        assert "epoch 9 of 9" in last
        assert last.splitlines()[-1] == (
            "Best: model_checkpoints/checkpoint.sel--0.45000_val-0.05000_epoch0.chkpt"
        )

    def test_the_alternate_screen_is_not_used_and_the_cursor_is_restored(
        self, document: Document
    ) -> None:
        console, file = terminal()
        with MonitorScreen(console, 5) as screen:
            screen.show(document(3))
        assert "\x1b[?1049" not in file.getvalue()
        assert file.getvalue().rindex("\x1b[?25h") > file.getvalue().rindex("\x1b[?25l")

    @pytest.mark.parametrize("height", [3, 10, 24])
    def test_the_last_picture_is_not_pushed_off_the_terminal(
        self, document: Document, height: int
    ) -> None:
        console, file = terminal(height=height)
        with MonitorScreen(console, 50) as screen:
            screen.show(document(9, status="completed"))
        final = file.getvalue().split("\x1b[1A")[-1].split("\x1b[2K")[-1]
        assert CONTROL.sub("", final).count("\n") <= height - 1

    def test_the_display_closes_with_the_command(self, document: Document) -> None:
        console, file = terminal()
        screen = MonitorScreen(console, 5)

        def left() -> None:
            with screen:
                screen.show(document(3))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            left()
        assert "\x1b[?25h" in file.getvalue()
        assert "Best: " in file.getvalue()

    def test_nothing_to_show(self) -> None:
        console, file = terminal()
        with MonitorScreen(console, 5):
            pass
        assert CONTROL.sub("", file.getvalue()).strip() == ""


class TestLines:
    @pytest.fixture
    def plain(self) -> tuple[Console, io.StringIO]:
        file = io.StringIO()
        return Console(file=file, width=80), file

    def test_a_picture_a_line_an_epoch_and_a_picture(
        self, document: Document, plain: tuple[Console, io.StringIO]
    ) -> None:
        console, file = plain
        with MonitorLines(console, 5) as lines:
            for number in (1, 1, 2, 2, 3):
                lines.show(document(number))
            lines.show(document(3, status="completed"))
        text = file.getvalue()
        assert "\x1b" not in text
        assert re.findall(r"^epoch (\d) of 9  val_loss", text, re.MULTILINE) == ["2", "3"]
        assert text.count("selection  val_loss     rho  epoch\n") == 2
        assert text.splitlines()[-1].startswith("Best: ")

    def test_one_that_is_over_is_shown_once(
        self, document: Document, plain: tuple[Console, io.StringIO]
    ) -> None:
        console, file = plain
        with MonitorLines(console, 5) as lines:
            lines.show(document(3, status="failed"))
        assert file.getvalue().count("epoch 3 of 9") == 1


@pytest.mark.parametrize(
    ("term", "kind"), [("xterm-256color", MonitorScreen), ("dumb", MonitorLines)]
)
def test_a_dumb_terminal_gets_lines(
    monkeypatch: pytest.MonkeyPatch, term: str, kind: type[object]
) -> None:
    monkeypatch.setenv("TERM", term)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Terminal())
    assert isinstance(monitor.make(5), kind)


def test_a_pipe_gets_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(monitor.make(5), MonitorLines)


def test_one_picture(document: Document, capsys: pytest.CaptureFixture[str]) -> None:
    monitor.show(document(3), 2)
    out, err = capsys.readouterr()
    assert err == ""
    assert "epoch 3 of 9" in out
    assert "\x1b" not in out
    assert re.findall(r"^(\d)     ", out, re.MULTILINE) == ["1", "2"]


def test_paths_are_no_markup(document: Document, capsys: pytest.CaptureFixture[str]) -> None:
    monitor.show(document(1).model_copy(update={"run_id": "[red]x:smile:"}), 0)
    assert "[red]x:smile:" in capsys.readouterr().out
