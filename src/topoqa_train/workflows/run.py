"""One job from one config."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.config.plan import JobPlan
from topoqa_train.launch import base as launchers
from topoqa_train.launch.job import Job
from topoqa_train.runs import board, summary
from topoqa_train.runs.board import Leaderboard
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.reporting import Plan, PlannedPhase, Reporter
from topoqa_train.workflows.data import DataResolver
from topoqa_train.workflows.jobs import make_job, planned_job
from topoqa_train.workflows.rounds import failure, keep_reason

PHASE = "run"


@dataclass(frozen=True)
class RunPlan:
    """A job whose config, data files and checkpoint are there."""

    job: Job
    shown: Plan


def plan_run(plan: JobPlan, resolver: DataResolver, *, output_root: Path | None) -> RunPlan:
    """Make the job; labels and coverage are checked in the run itself, which keeps the list.

    Raises:
        RequestError: something that the job needs is not there or not right.
    """
    job = make_job(plan, resolver, output_root=output_root)
    return RunPlan(job, shown_plan(job))


def shown_plan(job: Job) -> Plan:
    """What a screen shows of a single job."""
    planned = planned_job(PHASE, job.name, job, graphs={})
    return Plan(job.name, (PlannedPhase(PHASE, (job.name,)),), (planned,), (), 1)


def carry_out(plan: RunPlan, reporter: Reporter, clock: Clock, launcher: str) -> Leaderboard:
    """Train; returns a board of the one run.

    Raises:
        TopoqaTrainError: it failed or was stopped; the run's files say the same.
    """
    reporter.plan(plan.shown)
    reporter.phase(PHASE, [plan.job.name])
    with launchers.make(launcher, 1) as children:
        (ended,) = children.run([plan.job], reporter.event, keep_going=False)
    if ended.status != "completed" or ended.run_dir is None:
        keep_reason(ended, clock)
        raise failure(ended)
    return board.rank([summary.read(RunPaths(Path(ended.run_dir)), clock)])
