"""Sweep, pick, fine-tune twice: the chain that the whole program is for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.overrides import Override
from topoqa_train.config.plan import JobPlan, LoadedManifest
from topoqa_train.errors import RequestError, TopoqaTrainError
from topoqa_train.launch import base as launchers
from topoqa_train.launch.job import Job
from topoqa_train.runs import board, ledger, summary
from topoqa_train.runs.board import Leaderboard
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import VAL_LOSS
from topoqa_train.runs.reporting import DataSummary, Plan, PlannedPhase, Reporter
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore, root_of_runs
from topoqa_train.workflows.data import DataResolver
from topoqa_train.workflows.jobs import (
    check_jobs,
    existing_checkpoint,
    jobs_at_once,
    make_job,
    network_differences,
    planned_job,
)
from topoqa_train.workflows.rounds import Rounds

SWEEP, PHASE1, PHASE2 = "sweep", "phase 1", "phase 2"
# Stands for the run that will be picked, while a plan is checked and shown.
_BASE = "BASE"


@dataclass(frozen=True)
class PipelineRequest:
    """What was asked for. `manifest` is a path, or None for the default one."""

    manifest: Path
    overrides: tuple[Override, ...] = ()
    skip_sweep: bool = False
    skip_fine: bool = False
    resume_from: Path | None = None
    jobs: int | None = None
    resume: bool = False
    output_root: Path | None = None
    launcher: str = launchers.DEFAULT


@dataclass(frozen=True)
class Pick:
    """The checkpoint that fine-tuning starts from, and the name that its runs are called by."""

    base: str
    checkpoint: Path
    run_id: str | None
    epoch: int | None


@dataclass(frozen=True)
class PipelineResult:
    """All that was made, ranked, and the pick of the sweep; `failures` are of jobs passed over."""

    board: Leaderboard
    pick: Pick
    failures: tuple[TopoqaTrainError, ...] = ()


@dataclass(frozen=True)
class PipelinePlan:
    """Everything checked, nothing begun."""

    request: PipelineRequest
    manifest: LoadedManifest
    resolver: DataResolver
    sweep: tuple[Job, ...]
    fine: tuple[Job, ...]
    root: Path
    shown: Plan


def plan_pipeline(request: PipelineRequest, resolver: DataResolver) -> PipelinePlan:
    """Load and check it all: manifest, configs, checkpoint, labels, coverage.

    Raises:
        RequestError: with every fault that was found.
    """
    manifest = load_manifest(request.manifest, request.overrides)
    if request.resume_from is not None:
        existing_checkpoint(request.resume_from)
    sweep = () if request.skip_sweep else _sweep_jobs(manifest, request, resolver)
    fine = () if request.skip_fine else _fine_jobs(manifest, request, resolver)
    _check_same_network([*(() if request.resume_from else sweep), *fine[1:]], fine[:1])
    data = check_jobs([*sweep, *fine], resolver)
    root = _root(request, manifest, [*sweep, *fine])
    return PipelinePlan(
        request, manifest, resolver, sweep, fine, root, _shown(request, manifest, sweep, fine, data)
    )


def run_pipeline(plan: PipelinePlan, reporter: Reporter, clock: Clock) -> PipelineResult:
    """Carry out a plan.

    Raises:
        TopoqaTrainError: a job failed (with `continue_on_error`: all of a phase did), there is no
            run to pick, or it was told to stop.
    """
    request, store = plan.request, RunStore(plan.root)
    reporter.plan(plan.shown)
    if request.resume_from is not None and plan.sweep:
        reporter.note(
            "--resume-from is given: fine-tuning starts from it, not from the best of this sweep "
            "(--skip-sweep saves the sweep)."
        )
    if not plan.sweep and not plan.fine:
        pick = _pick(request, store, [], clock, reporter)
        return PipelineResult(_board(store.all(), clock), pick)
    plan.root.mkdir(parents=True, exist_ok=True)
    with launchers.make(request.launcher, plan.shown.at_once) as launcher:
        previous = ledger.last(plan.root, "pipeline", plan.manifest.source)
        rounds = Rounds(
            launcher,
            reporter,
            clock,
            ledger.begin(plan.root, "pipeline", plan.manifest.source, clock),
            previous if request.resume else None,
        )
        rounds.check_graphs([*plan.sweep, *plan.fine])
        keep_going = plan.manifest.continue_on_error
        swept = rounds.run(SWEEP, plan.sweep, keep_going=keep_going) if plan.sweep else []
        pick = _pick(request, store, swept, clock, reporter)
        if plan.fine:
            fine_tune(plan, rounds, pick)
        rounds.ledger.finish(clock)
    return PipelineResult(_board(rounds.made, clock), pick, tuple(rounds.failures))


def fine_tune(plan: PipelinePlan, rounds: Rounds, pick: Pick) -> None:
    """Phase 1 from the pick, then one run a seed from phase 1's best (or from the pick)."""
    manifest = plan.manifest
    first = _fine_job(plan, manifest.phase1_job(pick.base, pick.checkpoint), pick)
    (phase1,) = rounds.run(PHASE1, [first], keep_going=False)
    from_sweep = manifest.fine_tune is not None and manifest.fine_tune.start_from == "sweep"
    start = pick if from_sweep else _best_of(phase1, rounds.clock)
    seconds = [
        _fine_job(plan, planned, start)
        for planned in manifest.phase2_jobs(pick.base, start.checkpoint)
    ]
    rounds.run(PHASE2, seconds, keep_going=manifest.continue_on_error)


def _fine_job(plan: PipelinePlan, planned: JobPlan, start: Pick) -> Job:
    # The name follows from the base run's; fine-tuning that one again gets a number, not a
    # refusal, and neither does a base with a long name after a sweep of hours.
    job = make_job(
        replace(planned, run_name=None),
        plan.resolver,
        output_root=plan.request.output_root,
        started_from={"run_id": start.run_id, "epoch": start.epoch},
    )
    return job.model_copy(update={"stamped": False})


def _sweep_jobs(
    manifest: LoadedManifest, request: PipelineRequest, resolver: DataResolver
) -> tuple[Job, ...]:
    return tuple(make_job(job, resolver, output_root=request.output_root) for job in manifest.jobs)


def _fine_jobs(
    manifest: LoadedManifest, request: PipelineRequest, resolver: DataResolver
) -> tuple[Job, ...]:
    """The fine-tune jobs as they can be known now: without what is only picked later."""
    planned = [manifest.phase1_job(_BASE, request.resume_from), *manifest.phase2_jobs(_BASE, None)]
    return tuple(make_job(job, resolver, output_root=request.output_root) for job in planned)


def _check_same_network(jobs: Sequence[Job], phase1: Sequence[Job]) -> None:
    """Weights go from the sweep through phase 1 to phase 2: say now if they can't."""
    faults = [
        f"{_planned_name(job)}: {key} is {here!r}, in {_planned_name(first)} {there!r}"
        for first in phase1
        for job in jobs
        for key, here, there in network_differences(job.config, first.config)
    ]
    if faults:
        raise RequestError(
            "the sweep and fine-tuning are not of one network, so no weights can be handed on",
            details=faults,
            hint="Give them the same model and edge_schema, or leave fine-tuning out: --skip-fine",
        )


def _root(request: PipelineRequest, manifest: LoadedManifest, jobs: Sequence[Job]) -> Path:
    if jobs:
        return jobs[0].output_root
    save_dir = manifest.jobs[0].config.config.paths.save_dir if manifest.jobs else None
    return root_of_runs(request.output_root, save_dir)


def _pick(
    request: PipelineRequest,
    store: RunStore,
    swept: Sequence[RunPaths],
    clock: Clock,
    reporter: Reporter,
) -> Pick:
    """What to fine-tune: the checkpoint named, the best of this sweep, or of all finished runs."""
    if request.resume_from is not None:
        return pick_file(request.resume_from)
    if swept:
        ranked = _board(swept, clock)
    else:
        runs, unreadable = summary.read_all(store.all(), clock)
        finished = [run for run in runs if run.status == Status.COMPLETED]
        ranked = board.rank(finished, metric=VAL_LOSS, notes=unreadable)
    for line in ranked.notes:
        reporter.note(line)
    winner = ranked.winner()
    if winner is None or winner.best is None:
        raise RequestError(
            f"there is no finished run under {store.root} to pick a checkpoint from",
            hint="Run the sweep (leave out --skip-sweep), or name one with --resume-from.",
        )
    run_id = winner.run.paths.run_id
    reporter.note(f"Picked {run_id}: {ranked.metric} {winner.value:.5f} @ {winner.best.epoch}")
    return Pick(run_id, winner.best.path, run_id, winner.best.epoch)


def pick_file(path: Path) -> Pick:
    """A checkpoint named by its path; its run gives the base name where it lies in one."""
    file = existing_checkpoint(path)
    if file.parent.name == "model_checkpoints":
        run_id = file.parent.parent.name
        return Pick(run_id, file, run_id, None)
    return Pick(re.sub(r"[^A-Za-z0-9._+-]+", "_", file.stem) or "checkpoint", file, None, None)


def _best_of(run: RunPaths, clock: Clock) -> Pick:
    best = summary.read(run, clock).best()
    if best is None:
        raise RequestError(f"{run.run_id} has no checkpoint that could be ranked")
    return Pick(run.run_id, best.path, run.run_id, best.epoch)


def _board(runs: Sequence[RunPaths], clock: Clock) -> Leaderboard:
    good, bad = summary.read_all(list(runs), clock)
    return board.rank(good, notes=bad)


def _shown(
    request: PipelineRequest,
    manifest: LoadedManifest,
    sweep: Sequence[Job],
    fine: Sequence[Job],
    data: Sequence[DataSummary],
) -> Plan:
    groups = [(SWEEP, sweep), (PHASE1, fine[:1]), (PHASE2, fine[1:])]
    phases = tuple(
        PlannedPhase(name, tuple(_planned_name(job) for job in jobs))
        for name, jobs in groups
        if jobs
    )
    graphs = data[0].graphs if len(data) == 1 else {}
    shown = tuple(
        planned_job(name, _planned_name(job), job, graphs) for name, jobs in groups for job in jobs
    )
    return Plan(
        title=manifest.source.stem,
        phases=phases,
        jobs=shown,
        data=tuple(data),
        at_once=jobs_at_once(request.jobs, sweep or fine[1:] or fine),
    )


def _planned_name(job: Job) -> str:
    return job.name.replace(f"{_BASE}_", "…_", 1) if job.name.startswith(f"{_BASE}_") else job.name
