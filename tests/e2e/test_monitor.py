"""`monitor` and `summarise` during a real training: they read while it writes."""

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
from typing import Any

import pytest
from killing import kill_tree
from processes import ENDLESS, PATIENCE_SECONDS, epochs_of, start, wait_for
from projects import EXECUTABLE, Project, environment

from topoqa_train.clock import SystemClock
from topoqa_train.inspection import monitor as monitor_workflow
from topoqa_train.inspection import summarise
from topoqa_train.runs.paths import RunPaths
from topoqa_train.views import json_models

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def train(project: Project, *options: object) -> subprocess.Popen[str]:
    """Start a training as run `r`; return when it has a directory."""
    arguments = ("-c", project.config, "--run-name", "r", "--output-root", project.runs)
    process = start("run", *arguments, *options)
    wait_for((project.runs / "r" / "run_metadata.json").is_file, process)
    return process


def follow(*arguments: object, interval: float = 0.1) -> subprocess.Popen[str]:
    return start("monitor", "--follow", "--interval", interval, *arguments)


@pytest.fixture(scope="module")
def endless(base_project, tmp_path_factory):
    """A project and its training, which has no end of its own; the last test here kills it."""
    root = tmp_path_factory.mktemp("endless") / "p"
    shutil.copytree(base_project.root, root, ignore=shutil.ignore_patterns("runs"))
    project = Project(root)
    process = train(project, *ENDLESS)
    yield project, process
    kill_tree(process)
    process.communicate()


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


def test_reading_a_run_that_is_being_written_never_fails(endless, cli):
    project, training = endless
    paths, clock = RunPaths(project.runs / "r"), SystemClock()
    seen = [0]
    # Many times within an epoch.
    while seen[-1] < 40:
        for document in (
            summarise.summarise(paths, clock),
            monitor_workflow.look(paths, clock, lambda path: path),
        ):
            shown = json.loads(json_models.to_json(document, indent=None))
            assert shown["status"] == "running"
            assert any("in progress" in text for text in shown["warnings"])
            check_figures(shown)
            seen.append(shown["runtime"]["epochs_done"])
    assert seen == sorted(seen)
    for name in ("monitor", "summarise"):
        done = cli(name, "--run-root", project.runs)
        assert (done.status, done.err) == (0, "")
        check_figures(json.loads(done.out))
    assert training.poll() is None


def test_moved_renamed_latest_and_deleted_meanwhile(endless):
    project, training = endless
    wait_for(lambda: epochs_of(project.runs, "r") >= 2, training)
    # Only a run that is over may be moved; what is copied seems to run for a while yet.
    copy = project.root / "copies" / "r"
    with contextlib.suppress(shutil.Error):  # a checkpoint that was replaced during the copy
        shutil.copytree(project.runs / "r", copy, symlinks=True)
    monitor = follow("--run-dir", copy)
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


def test_ctrl_c_leaves_a_run_that_continues(endless):
    project, training = endless
    monitor = follow("--run-root", project.runs, interval=60)
    assert json.loads(monitor.stdout.readline())["run_id"] == "r"
    monitor.send_signal(signal.SIGINT)
    out, err = monitor.communicate(timeout=PATIENCE_SECONDS)
    assert (monitor.returncode, out) == (130, "")
    (line,) = err.splitlines()
    assert line.endswith(f"topoqa-train monitor --follow --run-dir {project.runs / 'r'}")
    before = epochs_of(project.runs, "r")
    wait_for(lambda: epochs_of(project.runs, "r") > before, training)


def test_a_reader_that_leaves_ends_it_quietly(endless):
    monitor = follow("--run-root", endless[0].runs)
    assert json.loads(monitor.stdout.readline())["run_id"] == "r"
    monitor.stdout.close()
    assert monitor.wait(PATIENCE_SECONDS) == 0
    assert monitor.stderr.read() == ""


def test_a_run_whose_process_is_killed_ends_it(endless):
    project, training = endless
    monitor = follow("--run-root", project.runs)
    assert json.loads(monitor.stdout.readline())["status"] == "running"
    kill_tree(training)
    out, err = monitor.communicate(timeout=PATIENCE_SECONDS)
    assert (monitor.returncode, err) == (0, "")
    last = json.loads(out.splitlines()[-1])
    assert last["status"] == "interrupted"
    assert last["warnings"]
    assert last["runtime"]["time_left"] is None


def on_a_terminal(project: Project, **variables: str) -> tuple[int, str]:
    """Return exit status and output of a monitor that follows on a terminal of 80 by 24."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    named = {"TERM": "xterm-256color", **variables}
    words = [f"{name}={value}" for name, value in named.items()]
    command = ["monitor", "--follow", "--interval", "0.1", "--run-root", str(project.runs)]
    process = subprocess.Popen(
        ["env", *words, EXECUTABLE, *command],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # a terminal whose other end is closed says so this way
        while chunk := os.read(ours, 65536):
            written += chunk
    os.close(ours)
    return process.wait(PATIENCE_SECONDS), written.decode()


def test_both_views_follow_a_run_to_its_end(project):
    training = train(project, "-o", "trainer.num_epochs=25", "-o", "early_stopping.patience=25")
    piped = follow("--run-root", project.runs)
    status, written = on_a_terminal(project)
    out, err = piped.communicate(timeout=PATIENCE_SECONDS)
    training.communicate(timeout=PATIENCE_SECONDS)
    assert (training.returncode, piped.returncode, err, status) == (0, 0, "", 0)

    # A pipe gets one document a line.
    looks = [json.loads(line) for line in out.splitlines()]
    for look in looks:
        check_figures(look)
        assert len(look["metrics_history"]) <= 5
    done = [look["runtime"]["epochs_done"] for look in looks]
    assert done == sorted(done)
    assert [look["status"] for look in looks[:-1]] == ["running"] * (len(looks) - 1)
    assert (looks[-1]["status"], done[-1]) == ("completed", 25)

    # A terminal gets a live screen, whose last picture stays.
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
def test_without_colour_or_on_a_dumb_terminal(trained, variables, control):
    status, written = on_a_terminal(trained.project, **variables)
    assert status == 0
    assert "epoch 4 of 4" in written
    assert not re.search(r"\x1b\[[\d;]*[34]\dm", written)
    assert ("\x1b" in written) == control
