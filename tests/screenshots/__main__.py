"""Train a small pipeline in a terminal and write its last screen as an SVG picture.

`nox -s screenshots` writes `docs/images/leaderboard.svg`, which the README shows.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from projects import EXECUTABLE, environment, make_project

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "leaderboard.svg"
COLUMNS, LINES = 112, 40
EPOCHS = 60
JOBS = {"sched_boost": 0.01, "sched_boost_lr035": 0.035, "large_batch": 0.005}
MANIFEST = """\
shared: {{config: config.yaml, overrides: {{trainer.num_epochs: {epochs}}}}}
jobs:
{jobs}
fine_tune:
  phase1: {{config: fine.yaml}}
  phase2: {{config: "fine_seed{{seed}}.yaml", seeds: [5, 6]}}
"""
JOB = "  - {{name: {name}, overrides: {{optimizer.learning_rate: {rate}}}}}"


class Terminal:
    """A pseudo-terminal that collects what is written to it."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        size = struct.pack("HHHH", LINES, COLUMNS, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)
        self._collected = io.BytesIO()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._master, 2**16)
            except OSError:  # Linux: no process has the terminal open any more
                return
            self._collected.write(part)

    def text(self) -> str:
        """Close the terminal and return all that was written to it."""
        os.close(self.slave)
        self._reader.join()
        return self._collected.getvalue().decode().replace("\r\n", "\n")


def main() -> None:
    """Train, then draw the plan, the last state of the jobs, and the leaderboard."""
    line = "topoqa-train pipeline --manifest small.yaml --jobs 2"
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "project")
        jobs = "\n".join(JOB.format(name=name, rate=rate) for name, rate in JOBS.items())
        (project.root / "small.yaml").write_text(MANIFEST.format(epochs=EPOCHS, jobs=jobs))
        output, progress = Terminal(), Terminal()
        subprocess.run(
            [EXECUTABLE, *line.split()[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output.slave,
            stderr=progress.slave,
            cwd=project.root,
            env=environment(OMP_NUM_THREADS="1", TERM="xterm-256color", COLORTERM="truecolor"),
            check=True,
        )
        screen = [f"$ {line}", last_frame(progress.text()), output.text().rstrip("\n")]
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw("\n".join(screen)), encoding="utf-8")


def last_frame(written: str) -> str:
    """Return the last state of the live table: the text after the last erased line."""
    frame = re.sub(r"\x1b\[\?25[hl]|\r", "", re.split(r"\x1b\[2K", written)[-1])
    # The check of the graphs has their path in the temporary folder.
    lines = [line for line in frame.strip("\n").split("\n") if not line.startswith("check")]
    return "\n".join([*lines, ""])


def draw(text: str) -> str:
    """Return `text` with its ANSI styles as an SVG that refers to no other file."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(text), soft_wrap=True)
    # Rich's template loads a font from the network.
    template = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="topoqa-train", code_format=template, unique_id="board")


if __name__ == "__main__":
    main()
