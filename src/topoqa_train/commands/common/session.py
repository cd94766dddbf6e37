"""What the training commands share around their one call down: screens, log, closing lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from topoqa_train import atomic
from topoqa_train.clock import SystemClock, iso, stamp
from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.overrides import Override, parse_override
from topoqa_train.errors import (
    InterruptedRunError,
    MachineError,
    RequestError,
    TerminatedRunError,
    TopoqaTrainError,
    TrainingError,
)
from topoqa_train.launch import base as launchers
from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.paths import LATEST, RunPaths
from topoqa_train.runs.store import RunStore, root_of_runs, run_at
from topoqa_train.ui import console
from topoqa_train.ui.live import screen as job_screen
from topoqa_train.ui.live.plain import PlainJobs
from topoqa_train.ui.live.progress import progress
from topoqa_train.ui.tables import leaderboard
from topoqa_train.ui.tables import outcomes as outcomes_table
from topoqa_train.ui.tables import plan as plan_table
from topoqa_train.views.progress import JobOutcome, Plan, Reporter, Reporters
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.run import RunPlan

if TYPE_CHECKING:
    from topoqa_train.workflows.batch import BatchPlan, BatchRequest
    from topoqa_train.workflows.pipeline import PipelinePlan, PipelineRequest
    from topoqa_train.workflows.rerun import RerunRequest


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


def overrides(
    texts: Sequence[str] | None, graph_dir: Path | None = None, num_workers: int | None = None
) -> tuple[Override, ...]:
    """What is set over the configs from outside; of one key, what `--override` says wins."""
    here = Path.cwd()
    given = []
    if graph_dir is not None:
        origin = "--graph-dir or GRAPH_DIR"
        given.append(Override("paths.graph", str(graph_dir), here, origin))
    if num_workers is not None:
        origin = "--num-workers or NUM_WORKERS_OVERRIDE"
        given.append(Override("dataloader.num_workers", num_workers, here, origin))
    return (*given, *(parse_override(text, base=here) for text in texts or ()))


def run_one(plan: JobPlan, *, output_root: Path | None) -> None:
    """Train one job with a screen, and say where it is."""
    from topoqa_train.workflows import run as workflow

    carry_out(workflow.plan_run(plan, DataResolver(progress), output_root=output_root))


def rerun(request: RerunRequest, *, output_root: Path | None) -> None:
    """Repeat a run with a screen, and report whether the results are equal."""
    from topoqa_train.workflows import rerun as workflow

    resolver = DataResolver(progress)
    carry_out(workflow.plan_rerun(request, resolver, SystemClock(), output_root=output_root))


def carry_out(plan: RunPlan) -> None:
    """Train what is planned with a screen, and say where it is."""
    from topoqa_train.workflows import run as workflow

    clock = SystemClock()
    screen = job_screen.make(clock)

    def how() -> str:
        run_dir = screen.views[plan.job.name].run_dir
        shown = leaderboard.shown_path(Path(run_dir), Path.cwd()) if run_dir else None
        return f"topoqa-train resume --run-dir {shown}" if shown else "the same command"

    with going_on_with(how), screen:
        board = workflow.carry_out(plan, screen, clock, launcher_name())
    show_board(board)


def planned(request: PipelineRequest) -> PipelinePlan:
    """Everything checked that can be without loading torch."""
    from topoqa_train.workflows import pipeline as workflow

    return workflow.plan_pipeline(request, DataResolver(progress), SystemClock())


def carry_out_pipeline(plan: PipelinePlan, *, log: str) -> None:
    """Do what is planned with a screen and a log, and show the board of it.

    Raises:
        TrainingError: some jobs failed that others outlived.
    """
    from topoqa_train.workflows import pipeline as workflow

    clock = SystemClock()
    screen = job_screen.make(clock)
    with going_on_with(lambda: "the same command and --resume"), screen:
        result = workflow.run_pipeline(plan, logged(plan.root, log, screen), clock)
    show_board(result.board)
    raise_failures(result.failures)


def rehearse_pipeline(plan: PipelinePlan) -> None:
    """Have all checked that a pipeline checks before its first job, and show the plan.

    Raises:
        TopoqaTrainError: a fault was found, or there is no run to pick from.
    """
    from topoqa_train.workflows import pipeline as workflow

    with job_screen.make(SystemClock()) as screen:
        workflow.rehearse_pipeline(plan, screen)
    show_plan(plan.shown, plan.notes)
    if plan.lacking is not None:
        raise plan.lacking


def planned_batch(request: BatchRequest) -> BatchPlan:
    """Everything checked that can be without loading torch."""
    from topoqa_train.workflows import batch as workflow

    return workflow.plan_batch(request, DataResolver(progress), SystemClock())


def carry_out_batch(plan: BatchPlan) -> None:
    """Do what is planned with a screen and a log, and show what has come of each job.

    Raises:
        TopoqaTrainError: some jobs failed, or it was told to stop.
    """
    from topoqa_train.workflows import batch as workflow

    clock = SystemClock()
    screen = job_screen.make(clock)
    with screen:
        log = f"batch_{plan.manifest.name}"
        # Where there is nothing to do, there is nothing to keep of it either.
        reporter = logged(plan.root, log, screen) if plan.chosen else screen
        result = workflow.run_batch(plan, reporter, clock)
    show_outcomes(result.outcomes, result.board)
    if result.stopped is not None:
        with going_on_with(lambda: "the same command and --resume"):
            raise result.stopped
    raise_failures(
        result.failures, "Go on: the same command and --resume. Begin anew: --only failed instead."
    )


def rehearse_batch(plan: BatchPlan) -> None:
    """Have all checked that a batch checks before its first job, and show the plan."""
    from topoqa_train.workflows import batch as workflow

    with job_screen.make(SystemClock()) as screen:
        workflow.rehearse_batch(plan, screen)
    show_plan(plan.shown, plan.notes)


def show_plan(plan: Plan, notes: Sequence[str]) -> None:
    """A plan on standard output, and what people should read of it."""
    for line in notes:
        console.notify(line)
    out = console.out()
    # A path is not to be broken in two by us; a terminal does it if it must.
    out.print(plan_table.plan_table(plan, Path.cwd(), out.width), soft_wrap=True)


def raise_failures(failures: Sequence[TopoqaTrainError], hint: str | None = None) -> None:
    """One error for the jobs that failed, if any did; whatever it was, the exit status is 1."""
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


def chosen_run(run_dir: Path | None, run_id: str | None, root: Path | None) -> RunPaths:
    """The run that `--run-dir` or `--run-id` means; `latest` without either."""
    if run_dir is not None and run_id is not None:
        raise RequestError("give --run-dir or --run-id, not both")
    if run_dir is not None:
        return run_at(run_dir)
    return RunStore(root_of_runs(root)).find(run_id or LATEST)


def run_to_do_again(given: Path, output_root: Path | None) -> RunPaths:
    """The run that `--from-run` means: a directory, else a name where runs go or are."""
    if given.name != str(given) or given.is_dir():
        return run_at(given)
    if output_root is not None:
        with suppress(RequestError):
            return RunStore(root_of_runs(output_root)).find(given.name)
    return RunStore(root_of_runs(None)).find(given.name)


def logged(folder: Path, name: str, screen: Reporter) -> Reporter:
    """Report to `screen` and, as plain lines with the time, to a log of its own in `folder`.

    What the log can't take is told once, and ends nothing.
    """
    clock = SystemClock()
    folder.mkdir(parents=True, exist_ok=True)
    log = atomic.new_file(folder, f"{name}_{stamp(clock.now())}", ".log")
    faults: list[str] = []

    def write(line: str) -> None:
        try:
            atomic.append_line(log, f"{iso(clock.now())} {line}")
        except (OSError, MachineError) as error:
            faults.append(str(atomic.as_project_error(error)))
            if len(faults) == 1:
                screen.note(f"lines are missing in {log.name}: {faults[0]}")

    return Reporters(screen, PlainJobs(clock, write, whole=True))


@contextmanager
def going_on_with(how: Callable[[], str]) -> Iterator[None]:
    """Tell whoever stops it how to go on."""
    try:
        yield
    except (InterruptedRunError, TerminatedRunError) as error:
        error.hint = f"What was done is kept. Go on with: {how()}"
        raise


def show_outcomes(outcomes: Sequence[JobOutcome], board: Leaderboard) -> None:
    """What has come of each job, and the path of the best, on standard output."""
    out = console.out()
    for line in outcomes_table.outcome_lines(outcomes, Path.cwd(), out.width):
        out.print(line, soft_wrap=True)
    _close(board)


def show_board(board: Leaderboard, limit: int | None = None) -> None:
    """A table and the winner's path on standard output."""
    out = console.out()
    out.print(leaderboard.board_table(board, limit=limit, width=out.width))
    _close(board)


def _close(board: Leaderboard) -> None:
    out = console.out()
    for line in board.notes:
        console.notify(line)
    for line in leaderboard.closing_lines(board, Path.cwd(), root_of_runs(None)):
        out.print(line, markup=False, soft_wrap=True)
