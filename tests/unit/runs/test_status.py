from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from topoqa_train.runs import metadata, status
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import HEARTBEAT_SECONDS, Status

RunFiles = Callable[..., Path]


@pytest.fixture
def derived(run_files: RunFiles, clock: Any) -> Callable[..., Status]:
    """The state of a run with this word and process in its metadata."""

    def _derived(written: str, process: dict[str, Any]) -> Status:
        paths = RunPaths(run_files(f"run_{written}", status=written, process=process))
        for file in (paths.metadata, paths.metrics):
            os.utime(file, (clock.now().timestamp(),) * 2)
        return status.derive(paths, metadata.read(paths.metadata), clock)

    return _derived


@pytest.mark.parametrize("written", list(Status))
def test_while_its_process_lives_a_run_is_what_it_says(
    derived: Callable[..., Status], written: Status
) -> None:
    assert derived(written, status.this_process()) == written


@pytest.mark.parametrize("written", ["created", "running"])
def test_a_run_whose_process_died_was_interrupted(
    derived: Callable[..., Status], written: str
) -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    seen = {**status.this_process(), "pid": process.pid}
    process.wait()
    assert derived(written, seen) == Status.INTERRUPTED


@pytest.mark.parametrize("jump", [-365 * 24 * 3600.0, 24 * 3600.0], ids=["back", "forward"])
def test_a_clock_that_is_set_interrupts_nothing(
    derived: Callable[..., Status], jump: float
) -> None:
    mine = status.this_process()
    if "ticks" not in mine:
        pytest.skip("the kernel does not report ticks")
    assert derived("running", {**mine, "started": mine["started"] + jump}) == Status.RUNNING


@pytest.mark.parametrize(
    "other",
    [{"ticks": 1}, {"boot": "another boot"}, {"started": 1.0, "ticks": 1}, {"started": 1.0}],
    ids=str,
)
def test_a_pid_that_is_used_again_is_another_process(
    derived: Callable[..., Status], other: dict[str, Any]
) -> None:
    mine = status.this_process()
    if other == {"started": 1.0}:  # as a system without ticks records it
        mine = {name: mine[name] for name in ("pid", "started", "host")}
    elif "ticks" not in mine:
        pytest.skip("the kernel does not report ticks")
    assert derived("running", {**mine, **other}) == Status.INTERRUPTED


def test_a_run_of_before_is_judged_by_the_clock(
    derived: Callable[..., Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = {name: status.this_process()[name] for name in ("pid", "started", "host")}
    assert derived("running", mine) == Status.RUNNING
    monkeypatch.setattr(status, "_BOOT", Path("/nowhere"))
    assert status.this_process() == mine


def test_a_program_s_name_may_hold_anything(tmp_path: Path) -> None:
    program = tmp_path / "a) 1 2 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "60"])
    try:
        ticks = status._since_boot(process.pid).get("ticks")
        assert ticks is None or ticks >= status.this_process()["ticks"]
    finally:
        process.kill()
        process.wait()


def test_a_zombie_does_not_run(derived: Callable[..., Status]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    try:
        seen = {**status.this_process(), "pid": process.pid}
        seen["started"] = psutil.Process(process.pid).create_time()
        seen |= status._since_boot(process.pid)
        assert derived("running", seen) == Status.RUNNING
        assert process.stdin is not None
        process.stdin.close()
        # Dead and not yet waited for by its parent, this process.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        assert derived("created", seen) == Status.INTERRUPTED
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "fault",
    [
        {"pid": None},
        {"pid": "many"},
        {"pid": -1},
        {"pid": 2**70},
        {"started": None, "ticks": None},
        {"started": "then", "ticks": "then"},
    ],
    ids=str,
)
def test_an_impossible_process_is_dead(
    derived: Callable[..., Status], fault: dict[str, Any]
) -> None:
    assert derived("running", {**status.this_process(), **fault}) == Status.INTERRUPTED
    alone = {"host": socket.gethostname()}
    assert derived("created", alone) == Status.INTERRUPTED


def test_a_word_of_another_version_is_no_running(derived: Callable[..., Status]) -> None:
    assert derived("paused", status.this_process()) == Status.INTERRUPTED


class TestOnAnotherHost:
    @pytest.fixture
    def paths(self, run_files: RunFiles, clock: Any) -> RunPaths:
        # The pid is one that lives here, which says nothing of the host over there.
        process = {**status.this_process(), "host": "elsewhere"}
        paths = RunPaths(run_files("run", status="running", process=process))
        paths.console_log.write_text("")
        for file in (paths.metadata, paths.metrics, paths.console_log):
            os.utime(file, (clock.now().timestamp(),) * 2)
        return paths

    def now(self, paths: RunPaths, clock: Any) -> Status:
        return status.derive(paths, metadata.read(paths.metadata), clock)

    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [
            (0, Status.RUNNING),
            (HEARTBEAT_SECONDS - 1, Status.RUNNING),
            (HEARTBEAT_SECONDS, Status.INTERRUPTED),
            (-3600, Status.RUNNING),  # the clocks of the hosts differ
        ],
    )
    def test_it_runs_while_its_files_are_young(
        self, paths: RunPaths, clock: Any, seconds: float, expected: Status
    ) -> None:
        clock.advance(seconds)
        assert self.now(paths, clock) == expected

    @pytest.mark.parametrize("name", ["metrics", "metadata", "console_log"])
    def test_any_of_its_files_is_a_heartbeat(self, paths: RunPaths, clock: Any, name: str) -> None:
        clock.advance(10 * HEARTBEAT_SECONDS)
        assert self.now(paths, clock) == Status.INTERRUPTED
        os.utime(getattr(paths, name), (clock.now().timestamp(),) * 2)
        assert self.now(paths, clock) == Status.RUNNING

    def test_a_file_of_next_year_is_no_heartbeat(self, paths: RunPaths, clock: Any) -> None:
        clock.advance(-365 * 24 * 3600)
        assert self.now(paths, clock) == Status.INTERRUPTED
        os.utime(paths.metrics, (clock.now().timestamp(),) * 2)
        assert self.now(paths, clock) == Status.RUNNING

    def test_a_copy_without_metrics_and_log_is_judged_by_what_there_is(
        self, paths: RunPaths, clock: Any
    ) -> None:
        paths.metrics.unlink()
        paths.console_log.unlink()
        assert self.now(paths, clock) == Status.RUNNING
        clock.advance(HEARTBEAT_SECONDS)
        assert self.now(paths, clock) == Status.INTERRUPTED
