from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from topoqa_train import log
from topoqa_train.errors import MachineError
from topoqa_train.launch.environment import CHILD_VARIABLE
from topoqa_train.worker.console_log import console_log, quiet_lightning

IN_A_CHILD = """
import logging, os, subprocess, sys, warnings
from pathlib import Path
from topoqa_train import log
from topoqa_train.worker.console_log import console_log

print("before")
with console_log(Path(sys.argv[1])):
    print("printed")
    print("to standard error", file=sys.stderr)
    os.write(1, b"written by C\\n")
    subprocess.run(["echo", "by a process"])
    log.get("topoqa_train.x").info("logged")
    warnings.warn("warned")
print("after")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "training_console.log"


def test_in_a_child_all_that_is_printed_goes_there(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_CHILD, str(file)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, CHILD_VARIABLE: "1", "PYTHONUNBUFFERED": "1"},
    )
    assert (done.stdout, done.stderr) == ("before\nafter\n", "")
    text = file.read_text()
    for words in ("printed", "to standard error", "written by C", "by a process", "warned"):
        assert words in text
    assert "INFO logged" in text


def test_elsewhere_only_the_log_goes_there(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with console_log(file):
        print("printed")
        log.get("topoqa_train.x").info("logged")
        warnings.warn("warned", stacklevel=1)
    assert capfd.readouterr().out == "printed\n"
    text = file.read_text()
    assert "printed" not in text
    assert "INFO logged" in text
    assert "warned" in text


def test_a_second_session_is_appended(file: Path) -> None:
    for words in ("first", "second"):
        with console_log(file):
            log.get("topoqa_train.x").info(words)
    first, second = file.read_text().splitlines()
    assert first.endswith("first")
    assert second.endswith("second")


@pytest.mark.parametrize("fails", [False, True])
def test_everything_is_restored(file: Path, *, fails: bool) -> None:
    logger = logging.getLogger(log.ROOT)
    before = (list(logger.handlers), logger.level, warnings.showwarning, _descriptors())

    def enter() -> None:
        with console_log(file):
            if fails:
                raise KeyError

    if fails:
        with pytest.raises(KeyError):
            enter()
    else:
        enter()
    assert (list(logger.handlers), logger.level, warnings.showwarning, _descriptors()) == before


def _descriptors() -> int:
    folder = Path("/dev/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0  # noqa: PTH208


def test_a_full_disk_is_a_machine_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(MachineError), console_log(file):
        pass


def test_recommendations_of_lightning_go_to_the_log_only(
    file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lightning = logging.getLogger("lightning.pytorch")
    monkeypatch.setattr(lightning, "level", logging.INFO)
    quiet_lightning()
    lightning.info("buy this")
    lightning.warning("mind that")
    with console_log(file):
        lightning.info("trained so")
    assert caplog.messages == ["mind that", "trained so"]
    assert "trained so" in file.read_text()
