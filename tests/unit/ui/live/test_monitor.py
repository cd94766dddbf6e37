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
    def test_the_last_picture_remains_below_the_commands_before(self, document: Document) -> None:
        console, file = terminal()
        with MonitorScreen(console, 5) as screen:
            screen.show(document(1))
            screen.show(document(9, status="completed"))
        last = CONTROL.sub("", file.getvalue()).split("completed")[-1]
        assert "epoch 9 of 9" in last
        assert last.splitlines()[-1] == (
            "Best: model_checkpoints/checkpoint.sel--0.45000_val-0.05000_epoch0.chkpt"
        )
        # The alternate screen would take the picture away; the cursor is shown again.
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
        with pytest.raises(KeyboardInterrupt), MonitorScreen(console, 5) as screen:  # noqa: PT012
            screen.show(document(3))
            raise KeyboardInterrupt
        assert "\x1b[?25h" in file.getvalue()
        assert "Best: " in file.getvalue()

    def test_nothing_to_show(self) -> None:
        console, file = terminal()
        with MonitorScreen(console, 5):
            pass
        assert CONTROL.sub("", file.getvalue()).strip() == ""


class TestLines:
    def test_a_picture_a_line_an_epoch_and_a_picture(self, document: Document) -> None:
        file = io.StringIO()
        with MonitorLines(Console(file=file, width=80), 5) as lines:
            for number in (1, 1, 2, 2, 3):
                lines.show(document(number))
            lines.show(document(3, status="completed"))
        text = file.getvalue()
        assert "\x1b" not in text
        assert re.findall(r"^epoch (\d) of 9  val_loss", text, re.MULTILINE) == ["2", "3"]
        assert text.count("selection  val_loss     rho  epoch\n") == 2
        assert text.splitlines()[-1].startswith("Best: ")

    def test_one_that_is_over_is_shown_once(self, document: Document) -> None:
        file = io.StringIO()
        with MonitorLines(Console(file=file, width=80), 5) as lines:
            lines.show(document(3, status="failed"))
        assert file.getvalue().count("epoch 3 of 9") == 1


@pytest.mark.parametrize(
    ("is_terminal", "term", "kind"),
    [
        (True, "xterm-256color", MonitorScreen),
        (True, "dumb", MonitorLines),
        (False, "xterm-256color", MonitorLines),
    ],
)
def test_only_a_capable_terminal_is_redrawn(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, term: str, kind: type[object]
) -> None:
    monkeypatch.setenv("TERM", term)
    stdout = io.StringIO()
    monkeypatch.setattr(stdout, "isatty", lambda: is_terminal, raising=False)
    monkeypatch.setattr("sys.stdout", stdout)
    assert isinstance(monitor.make(5), kind)


def test_one_picture(document: Document, capsys: pytest.CaptureFixture[str]) -> None:
    monitor.show(document(3).model_copy(update={"run_id": "[red]x:smile:"}), 2)
    out, err = capsys.readouterr()
    assert err == ""
    assert "epoch 3 of 9" in out
    assert "[red]x:smile:" in out  # a name is no markup
    assert "\x1b" not in out
    assert re.findall(r"^(\d)     ", out, re.MULTILINE) == ["1", "2"]
