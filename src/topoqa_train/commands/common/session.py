"""Run a training workflow with a screen and a log, and print how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from topoqa_train import atomic
from topoqa_train.clock import SystemClock, iso, stamp
from topoqa_train.commands.common import arguments, show
from topoqa_train.errors import (
    InterruptedRunError,
    MachineError,
    TerminatedRunError,
    TopoqaTrainError,
    TrainingError,
    shown_path,
)
from topoqa_train.ui.live import screen as job_screen
from topoqa_train.ui.live.plain import PlainJobs
from topoqa_train.views.progress import Reporter, Reporters

if TYPE_CHECKING:
    from topoqa_train.workflows.batch import BatchPlan
    from topoqa_train.workflows.job_runner import SessionPlan
    from topoqa_train.workflows.pipeline import PipelinePlan
    from topoqa_train.workflows.run import RunPlan


def train(plan: RunPlan) -> None:
    """Train one job, and print where its run is."""
    from topoqa_train.workflows import run as workflow

    clock = SystemClock()
    screen = job_screen.make(clock)

    def command() -> str:
        run_dir = screen.views[plan.job.name].run_dir
        if run_dir is None:
            return "the same command"
        return f"topoqa-train resume --run-dir {shown_path(Path(run_dir))}"

    with hint_to_resume(command), screen:
        board = workflow.carry_out(plan, screen, clock, arguments.launcher_name())
    show.board(board)


def rehearse(plan: SessionPlan) -> None:
    """Check all that is checked before the first job, and print the plan.

    Raises:
        TopoqaTrainError: a check failed, or the plan can't be run.
    """
    with job_screen.make(SystemClock()) as screen:
        plan.rehearse(screen)
    show.plan(plan.shown, plan.notes)
    if plan.missing_start is not None:
        raise plan.missing_start


def train_pipeline(plan: PipelinePlan, *, log: str) -> None:
    """Run a pipeline, and print the leaderboard of its runs.

    Raises:
        TrainingError: some jobs failed while others went on.
    """
    from topoqa_train.workflows import pipeline as workflow

    clock = SystemClock()
    screen = job_screen.make(clock)
    with hint_to_resume(lambda: "the same command and --resume"), screen:
        result = workflow.run_pipeline(plan, logged(plan.root, log, screen), clock)
    show.board(result.board)
    raise_failures(result.failures)


def train_batch(plan: BatchPlan) -> None:
    """Run a batch, and print the outcome of each job.

    Raises:
        TopoqaTrainError: some jobs failed, or the process was asked to stop.
    """
    from topoqa_train.workflows import batch as workflow

    clock = SystemClock()
    screen = job_screen.make(clock)
    with screen:
        log = f"batch_{plan.manifest.name}"
        # A batch with nothing to do leaves no log behind.
        reporter = logged(plan.root, log, screen) if plan.chosen else screen
        result = workflow.run_batch(plan, reporter, clock)
    show.outcomes(result.outcomes, result.board)
    if result.stopped is not None:
        with hint_to_resume(lambda: "the same command and --resume"):
            raise result.stopped
    raise_failures(
        result.failures,
        "To resume: the same command and --resume. To start over: --only failed instead.",
    )


def raise_failures(failures: Sequence[TopoqaTrainError], hint: str | None = None) -> None:
    """Raise one error for all failed jobs, if there are any; its exit status is always 1."""
    if not failures:
        return
    first, *others = failures
    details = list(first.details)
    if others:
        details = [
            line
            for failure in failures
            for line in (failure.message, *(f"  {detail}" for detail in failure.details))
        ]
    hints = dict.fromkeys([*(failure.hint for failure in failures), hint])
    raise TrainingError(
        f"{len(failures)} jobs failed" if others else first.message,
        details=details,
        hint="\n".join(line for line in hints if line) or None,
    )


def logged(folder: Path, name: str, screen: Reporter) -> Reporter:
    """Report to `screen` and, as plain lines with the time, to a new log file in `folder`.

    A log that can't be written is reported once and does not end the session.
    """
    clock = SystemClock()
    folder.mkdir(parents=True, exist_ok=True)
    log = atomic.new_file(folder, f"{name}_{stamp(clock.now())}", ".log")
    errors: list[str] = []

    def write(line: str) -> None:
        try:
            atomic.append_line(log, f"{iso(clock.now())} {line}")
        except (OSError, MachineError) as error:
            errors.append(str(atomic.as_project_error(error)))
            if len(errors) == 1:
                screen.note(f"lines are missing in {log.name}: {errors[0]}")

    return Reporters(screen, PlainJobs(clock, write, whole=True))


@contextmanager
def hint_to_resume(command: Callable[[], str]) -> Iterator[None]:
    """Add to the error of a stopped session how to resume it."""
    try:
        yield
    except (InterruptedRunError, TerminatedRunError) as error:
        error.hint = f"All finished epochs are kept. To resume: {command()}"
        raise
