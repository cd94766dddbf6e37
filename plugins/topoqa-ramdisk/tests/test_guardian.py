"""The guardian with real processes: the time bounds a hang and judges nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from topoqa_ramdisk import guardian, staging
from topoqa_ramdisk.staging import Marker

PATIENCE_SECONDS = 60

COMMAND = """
import subprocess, sys, time
from pathlib import Path
from topoqa_ramdisk import staging
from topoqa_ramdisk.disks import PlainFolder
from topoqa_ramdisk.graphs import find_graphs
from topoqa_ramdisk.guardian import Guardian
found = find_graphs(Path(sys.argv[1]))
with Guardian() as guardian:
    with staging.held(found, PlainFolder(Path(sys.argv[2])), "ram", guardian.marker) as place:
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        guardian.child(child.pid)
        print(guardian._process.pid, child.pid, place.folder, flush=True)
        sys.stdin.readline()
        child.terminate()
        child.wait()
"""


def until(condition: Any) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def start(graphs: Path, tmp_path: Path) -> Any:
    (tmp_path / "shm").mkdir()
    started = []

    def begin(how: str) -> tuple[subprocess.Popen[str], psutil.Process, psutil.Process, Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(graphs), str(tmp_path / "shm")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        watcher, child, folder = process.stdout.readline().split()
        started.append(process)
        watched = psutil.Process(int(watcher)), psutil.Process(int(child))
        if how == "go":
            process.stdin.write("\n")
            process.stdin.flush()
        return process, *watched, Path(folder)

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_a_killed_command_leaves_neither_graphs_nor_a_pipeline(start: Any) -> None:
    process, watcher, child, folder = start("wait")
    assert folder.is_dir()
    process.kill()
    process.wait()
    until(lambda: not folder.exists())
    until(lambda: not watcher.is_running())
    assert not child.is_running()
    assert list(folder.parent.iterdir()) == []


def test_a_command_that_ends_well_has_nothing_left_to_guard(start: Any, tmp_path: Path) -> None:
    process, watcher, _, folder = start("go")
    assert process.wait(PATIENCE_SECONDS) == 0
    assert not watcher.is_running()
    assert list(folder.parent.iterdir()) == []


def ignores(pid: int, number: int) -> bool:
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return bool(int(lines["SigIgn"], 16) >> (number - 1) & 1)


@pytest.mark.skipif(sys.platform != "linux", reason="it looks at /proc")
def test_signals_to_all_do_not_stop_it(start: Any) -> None:
    process, watcher, _, folder = start("wait")
    until(lambda: all(ignores(watcher.pid, number) for number in guardian.IGNORED))
    for number in guardian.IGNORED:
        watcher.send_signal(number)
    process.kill()
    process.wait()
    until(lambda: not folder.exists())


class TestOrders:
    def test_what_is_still_held_is_left_to_its_holder(self, tmp_path: Path) -> None:
        path = staging.marker_path(tmp_path, "x")
        marker = Marker.lock(path, create=True)
        assert marker is not None
        guardian.guard([f"marker {path}\n".encode()])
        assert path.exists()
        marker.remove()

    def test_processes_that_ended_and_words_without_sense(self, tmp_path: Path) -> None:
        done = subprocess.Popen(["true"])
        done.wait()
        gone = staging.marker_path(tmp_path, "gone")
        guardian.guard([f"child {done.pid}\n".encode(), b"\n", f"marker {gone}\n".encode()])
        assert list(tmp_path.iterdir()) == []

    def test_a_child_that_will_not_stop_is_killed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(guardian, "_STOP_SECONDS", 0.2)
        deaf = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
            "print(1, flush=True); time.sleep(600)"
        )
        child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        guardian.guard([f"child {child.pid}\n".encode()])
        assert not psutil.pid_exists(child.pid)
        child.stdout.close()
        child.wait()

    def test_a_path_may_hold_anything_but_a_line_break(self, tmp_path: Path) -> None:
        folder = tmp_path / "a b\udcff"
        try:
            folder.mkdir()
        except (OSError, UnicodeError):
            pytest.skip("this file system takes no such name")
        with guardian.Guardian() as watcher:
            marker = Marker.lock(staging.marker_path(folder, "x"), create=True)
            assert marker is not None
            (folder / "x").mkdir()
            marker.write(kind="folder")
            watcher.marker(marker.path)
            marker.release()
        assert list(folder.iterdir()) == []
