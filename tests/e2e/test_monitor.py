"""`monitor` and `summarise` beside a real training: they read while it writes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from projects import EXECUTABLE, Project, environment

from topoqa_train.clock import SystemClock
from topoqa_train.inspection import monitor as monitor_workflow
from topoqa_train.inspection import summarise
from topoqa_train.runs.paths import RunPaths
from topoqa_train.views import json_models

PATIENCE_SECONDS = 120
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the real executable; whatever still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def _start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [EXECUTABLE, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
            text=True,
            env=environment(),
            start_new_session=True,
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and all below it, as a machine would that goes down."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        for each in [*root.children(recursive=True), root]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.communicate()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Poll until `condition` holds; the time bounds a hang and judges nothing."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def train(project: Project, start: Start) -> Callable[[int], subprocess.Popen[str]]:
    """Start a training of so many epochs as run `r`; comes back when it has a directory."""

    def _train(epochs: int) -> subprocess.Popen[str]:
        process = start(
            "run", "-c", project.config, "--run-name", "r", "--output-root", project.runs,
            "-o", f"trainer.num_epochs={epochs}", "-o", f"early_stopping.patience={epochs}",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for((project.runs / "r" / "run_metadata.json").is_file, process)
        return process

    return _train


def epochs(project: Project) -> int:
    table = project.runs / "r" / "metrics" / "metrics.csv"
    return len(table.read_text().splitlines()) - 1 if table.is_file() else 0


def check_figures(document: dict[str, Any]) -> None:
    """Every checkpoint stands with the figures that its own name has."""
    shown = [
        *[document[name] for name in ("best", "second_best", "third_best") if name in document],
        *[document[name] for name in document if name.startswith("best_by_")],
        *document.get("checkpoint_ranking", []),
    ]
    for each in filter(None, shown):
        value, epoch = re.search(r"val-([\d.]+)_epoch(\d+)\.chkpt$", each["path"]).groups()
        assert each["epoch"] == int(epoch)
        assert each["metrics"]["val_loss"] == pytest.approx(float(value), abs=6e-6)


def test_reading_a_run_that_is_being_written_never_fails(project, cli, train):
    training = train(100_000)
    paths, clock = RunPaths(project.runs / "r"), SystemClock()
    seen = [0]
    # In this process, to read many times within an epoch.
    while seen[-1] < 40:
        for document in (
            summarise.summarise(paths, clock),
            monitor_workflow.look(paths, clock, lambda path: path),
        ):
            told = json.loads(json_models.to_json(document, indent=None))
            assert told["status"] == "running"
            assert "training is in progress: these metrics may still change" in told["warnings"]
            check_figures(told)
            seen.append(told["runtime"]["epochs_done"])
    assert seen == sorted(seen)
    for name in ("monitor", "summarise"):
        done = cli(name, "--run-root", project.runs)
        assert (done.status, done.err) == (0, "")
        check_figures(json.loads(done.out))
    assert training.poll() is None


def test_followed_through_a_pipe_it_is_one_document_a_line_until_the_run_ends(
    project, train, start
):
    training = train(25)
    monitor = start("monitor", "--follow", "--interval", 0.1, "--run-root", project.runs)
    out, err = monitor.communicate(timeout=PATIENCE_SECONDS)
    assert (monitor.returncode, err) == (0, "")
    looks = [json.loads(line) for line in out.splitlines()]
    for look in looks:
        check_figures(look)
        assert len(look["metrics_history"]) <= 5
    done = [look["runtime"]["epochs_done"] for look in looks]
    assert done == sorted(done)
    assert [look["status"] for look in looks[:-1]] == ["running"] * (len(looks) - 1)
    assert (looks[-1]["status"], done[-1]) == ("completed", 25)
    assert training.wait(PATIENCE_SECONDS) == 0


def test_a_run_whose_process_is_killed_ends_it(project, train, start):
    training = train(100_000)
    monitor = start("monitor", "--follow", "--interval", 0.1, "--run-root", project.runs)
    assert json.loads(monitor.stdout.readline())["status"] == "running"
    kill(training)
    out, err = monitor.communicate(timeout=PATIENCE_SECONDS)
    assert (monitor.returncode, err) == (0, "")
    last = json.loads(out.splitlines()[-1])
    assert last["status"] == "interrupted"
    assert any("process died" in line for line in last["warnings"])
    assert last["runtime"]["time_left"] is None


def test_moved_renamed_latest_and_deleted_meanwhile(project, train, start):
    training = train(100_000)
    wait_for(lambda: epochs(project) >= 2, training)
    # Only a run that is over may be moved; what is copied seems to run for a while yet.
    copy = project.root / "copies" / "r"
    shutil.copytree(project.runs / "r", copy, symlinks=True)
    monitor = start("monitor", "--follow", "--interval", 0.1, "--run-dir", copy)
    assert json.loads(monitor.stdout.readline())["run_dir"] == str(copy)
    (copy.parent / "history").mkdir()
    moved = copy.rename(copy.parent / "history" / "r")
    while json.loads(monitor.stdout.readline())["run_dir"] != str(moved):
        pass
    shutil.rmtree(moved)
    out, err = monitor.communicate(timeout=PATIENCE_SECONDS)
    assert monitor.returncode == 2
    assert "run r is gone" in err
    assert all(json.loads(line)["run_id"] == "r" for line in out.splitlines())


def test_ctrl_c_leaves_a_run_that_goes_on(project, train, start):
    training = train(100_000)
    monitor = start("monitor", "--follow", "--interval", 60, "--run-root", project.runs)
    assert json.loads(monitor.stdout.readline())["run_id"] == "r"
    monitor.send_signal(signal.SIGINT)
    out, err = monitor.communicate(timeout=PATIENCE_SECONDS)
    assert (monitor.returncode, out) == (130, "")
    (line,) = err.splitlines()
    assert line.endswith(f"topoqa-train monitor --follow --run-dir {project.runs / 'r'}")
    before = epochs(project)
    wait_for(lambda: epochs(project) > before, training)


def test_a_reader_that_leaves_ends_it_quietly(project, train, start):
    train(100_000)
    monitor = start("monitor", "--follow", "--interval", 0.1, "--run-root", project.runs)
    assert json.loads(monitor.stdout.readline())["run_id"] == "r"
    monitor.stdout.close()
    assert monitor.wait(PATIENCE_SECONDS) == 0
    assert monitor.stderr.read() == ""


def on_a_terminal(
    *arguments: object, width: int = 80, height: int = 24, **variables: str
) -> tuple[int, str]:
    """Exit status and all that was written on a terminal of that size."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    named = {"TERM": "xterm-256color", **variables}
    words = [f"{name}={value}" for name, value in named.items()]
    process = subprocess.Popen(
        ["env", *words, EXECUTABLE, *map(str, arguments)],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # a terminal whose other end is closed says so this way
        while chunk := os.read(ours, 65536):
            written += chunk
    os.close(ours)
    return process.wait(PATIENCE_SECONDS), written.decode()


def test_a_live_screen_ends_with_the_run_and_leaves_its_last_picture(project, train):
    train(25)
    status, written = on_a_terminal(
        "monitor", "--follow", "--interval", 0.1, "--run-root", project.runs
    )
    assert status == 0
    assert "\x1b[?1049" not in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    last = CONTROL.sub("", written.split("\x1b[2K")[-1])
    assert "r  completed" in last
    assert "epoch 25 of 25" in last
    assert "Best: " in last
    assert last.count("\n") <= 24


@pytest.mark.parametrize(
    ("variables", "control"), [({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, True)]
)
def test_without_colour_or_on_a_dumb_terminal(project, train, variables, control):
    train(12)
    status, written = on_a_terminal(
        "monitor", "--follow", "--interval", 0.1, "--run-root", project.runs, **variables
    )
    assert status == 0
    assert "epoch 12 of 12" in written
    assert not re.search(r"\x1b\[[\d;]*[34]\dm", written)
    assert ("\x1b" in written) == control
