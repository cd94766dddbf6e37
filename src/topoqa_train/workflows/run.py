"""Train one job from one config."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.config.job_plan import JobPlan
from topoqa_train.launch import base as launchers
from topoqa_train.launch.job import Job
from topoqa_train.provenance import comparison
from topoqa_train.runs import history, leaderboard, summary
from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import RunStore
from topoqa_train.views.progress import Plan, Reporter
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import make_job, shown_plan
from topoqa_train.workflows.job_runner import error_of, record_failure

PHASE = "run"


@dataclass(frozen=True)
class RunPlan:
    """A job whose config, data files and checkpoint were found; `notes` are to be reported."""

    job: Job
    shown: Plan
    notes: tuple[str, ...] = ()


def plan_run(plan: JobPlan, resolver: DataResolver, *, output_root: Path | None) -> RunPlan:
    """Return the plan of one job. The run itself checks its graphs, and keeps a list of them.

    Raises:
        RequestError: something that the job needs is missing or wrong.
    """
    return plan_of_job(plan, make_job(plan, resolver, output_root=output_root), resolver)


def plan_of_job(
    plan: JobPlan, job: Job, resolver: DataResolver, notes: Iterable[str] = ()
) -> RunPlan:
    """Return the plan of a job that becomes a new run; raises `RequestError` if it can't."""
    history.keep_runs()
    RunStore(job.output_root).check(job.run_name)
    return RunPlan(job, plan_of_one(plan, job, resolver), tuple(notes))


def plan_of_one(plan: JobPlan, job: Job, resolver: DataResolver) -> Plan:
    """Return what a screen shows of one job; raises `DataError` for labels that can't be read."""
    return shown_plan(job.name, [(PHASE, [(plan, job)])], [resolver.look(job.data)], at_once=1)


def carry_out(plan: RunPlan, reporter: Reporter, clock: Clock, launcher: str) -> Leaderboard:
    """Train; return a leaderboard of the one run.

    Raises:
        TopoqaTrainError: it failed or was stopped; the run's files record the same.
    """
    reporter.plan(plan.shown)
    for line in plan.notes:
        reporter.note(line)
    reporter.phase(PHASE, [plan.job.name])
    with launchers.make(launcher, 1) as children:
        (ended,) = children.run([plan.job], reporter.event, keep_going=False)
    if ended.status != "completed" or ended.run_dir is None:
        record_failure(ended, clock)
        raise error_of(ended)
    run = summary.read(RunPaths(Path(ended.run_dir)), clock)
    return leaderboard.rank([run], notes=comparison.closing_lines(run.metadata))
