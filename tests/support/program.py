"""The program, started as a process of its own or called in this one."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from projects import EXECUTABLE, assert_no_trace, environment

from topoqa_train import cli, log
from topoqa_train.launch import base
from topoqa_train.launch.environment import CHILD_VARIABLE, for_child


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    err: str


Cli = Callable[..., Done]


def start_executable(*arguments: object, cwd: Path | None = None, **changes: str) -> Done:
    """Run the installed executable to its end."""
    done = subprocess.run(
        [EXECUTABLE, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert_no_trace(done.stderr)
    return Done(done.returncode, done.stdout, done.stderr)


def call_main(*arguments: object, cwd: Path | None = None, **changes: str) -> Done:
    """Call the program's `main` here, where torch is loaded once for all tests.

    Trainings run in this process too, in the environment that a child would have.
    """
    variables = {base.VARIABLE: "in-process", **environment(), **_without_marks(), **changes}
    out, err = io.StringIO(), io.StringIO()
    with _restored(), redirect_stdout(out), redirect_stderr(err):
        sys.argv = [cli.PROGRAM, *map(str, arguments)]
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(cwd or Path.cwd())
        try:
            cli.main()
        except SystemExit as leaving:
            status = leaving.code
    assert isinstance(status, int)
    assert_no_trace(err.getvalue())
    return Done(status, out.getvalue(), err.getvalue())


def _without_marks() -> dict[str, str]:
    """Return what a child adds to the environment, less the mark that it is one."""
    added = {name: value for name, value in for_child().items() if name not in os.environ}
    return {name: value for name, value in added.items() if name != CHILD_VARIABLE}


@contextmanager
def _restored() -> Iterator[None]:
    """Restore what `main` changes for the rest of a process's life."""
    arguments, variables, folder = sys.argv, dict(os.environ), Path.cwd()
    stopping = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in stopping}
    logger = logging.getLogger(log.ROOT)
    listeners = list(logger.handlers)
    try:
        yield
    finally:
        sys.argv = arguments
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        logger.handlers = listeners
