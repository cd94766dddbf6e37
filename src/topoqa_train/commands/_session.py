"""What the training commands share around their one call down: screens, log, closing lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from topoqa_train import atomic
from topoqa_train.clock import SystemClock, iso, stamp
from topoqa_train.config.plan import JobPlan
from topoqa_train.errors import InterruptedRunError, RequestError, TerminatedRunError
from topoqa_train.launch import base as launchers
from topoqa_train.runs.board import Leaderboard
from topoqa_train.runs.paths import LATEST, RunPaths
from topoqa_train.runs.reporting import Reporter, Reporters
from topoqa_train.runs.store import RunStore, root_of_runs
from topoqa_train.ui import board_table, console, jobs_screen
from topoqa_train.ui.jobs_plain import PlainJobs
from topoqa_train.ui.progress import progress
from topoqa_train.workflows.data import DataResolver
from topoqa_train.workflows.run import RunPlan


def launcher_name() -> str:
    """The launcher that the environment asks for, else the default."""
    return os.environ.get(launchers.VARIABLE) or launchers.DEFAULT


def batch_limit(text: str | None, option: str) -> int | float | None:
    """`12` is twelve batches, `0.5` half of them; raises `RequestError` for anything else."""
    if text is None:
        return None
    try:
        value: int | float = float(text) if "." in text else int(text)
    except ValueError:
        value = 0
    if value <= 0 or (isinstance(value, float) and value > 1):
        raise RequestError(
            f"{option}: '{text}' is neither a number of batches nor a share such as 0.5"
        )
    return value


def run_one(plan: JobPlan, *, output_root: Path | None) -> None:
    """Train one job with a screen, and say where it is."""
    from topoqa_train.workflows import run as workflow

    carry_out(workflow.plan_run(plan, DataResolver(progress), output_root=output_root))


def carry_out(plan: RunPlan) -> None:
    """Train what is planned with a screen, and say where it is."""
    from topoqa_train.workflows import run as workflow

    clock = SystemClock()
    screen = jobs_screen.make(clock)

    def how() -> str:
        run_dir = screen.views[plan.job.name].run_dir
        shown = board_table.shown_path(Path(run_dir), Path.cwd()) if run_dir else None
        return f"topoqa-train resume --run-dir {shown}" if shown else "the same command"

    with going_on_with(how), screen:
        board = workflow.carry_out(plan, screen, clock, launcher_name())
    show_board(board)


def chosen_run(run_dir: Path | None, run_id: str | None, root: Path | None) -> RunPaths:
    """The run that `--run-dir` or `--run-id` means; `latest` without either."""
    if run_dir is not None and run_id is not None:
        raise RequestError("give --run-dir or --run-id, not both")
    if run_dir is not None:
        return RunPaths(run_dir.expanduser().resolve())
    return RunStore(root_of_runs(root)).find(run_id or LATEST)


def logged(folder: Path, name: str, screen: Reporter) -> Reporter:
    """Report to `screen` and, as plain lines with the time, to a log of its own in `folder`."""
    clock = SystemClock()
    folder.mkdir(parents=True, exist_ok=True)
    log = atomic.new_file(folder, f"{name}_{stamp(clock.now())}", ".log")

    def write(line: str) -> None:
        atomic.append_line(log, f"{iso(clock.now())} {line}")

    return Reporters(screen, PlainJobs(clock, write))


@contextmanager
def going_on_with(how: Callable[[], str]) -> Iterator[None]:
    """Tell whoever stops it how to go on."""
    try:
        yield
    except (InterruptedRunError, TerminatedRunError) as error:
        error.hint = f"What was done is kept. Go on with: {how()}"
        raise


def show_board(board: Leaderboard, limit: int | None = None) -> None:
    """A table and the winner's path on standard output."""
    out = console.out()
    out.print(board_table.board_table(board, limit=limit, width=out.width))
    for line in board.notes:
        console.say(line)
    for line in board_table.closing_lines(board, Path.cwd()):
        out.print(line, markup=False, soft_wrap=True)
