"""Sweep, pick, fine-tune twice: the chain that the whole program is for.

Fine-tuning alone is the same chain without the sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.config.job_plan import JobPlan, LoadedManifest
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.overrides import Override
from topoqa_train.errors import RequestError, TopoqaTrainError
from topoqa_train.launch import base as launchers
from topoqa_train.launch.job import Job
from topoqa_train.runs import history, leaderboard, summary
from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import RunStore
from topoqa_train.views.progress import Plan, Reporter
from topoqa_train.workflows import checkpoint_selection, fine_tune, previous_session
from topoqa_train.workflows.checkpoint_selection import Pick
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import (
    check_jobs,
    check_places,
    identity,
    jobs_at_once,
    make_job,
    network_differences,
    root_of_jobs,
    shown_plan,
)
from topoqa_train.workflows.job_runner import Rounds, check_graphs
from topoqa_train.workflows.previous_session import Earlier

PIPELINE, FINE_TUNE = "pipeline", "fine-tune"
SWEEP = "sweep"
# How people name a checkpoint themselves, by the kind of what they started.
_WAYS_OUT = {
    PIPELINE: "Run the sweep (leave out --skip-sweep), or name one with --resume-from.",
    FINE_TUNE: "Name one with --checkpoint and --run-dir, or train one: topoqa-train pipeline",
}


@dataclass(frozen=True)
class PipelineRequest:
    """What was asked for; `kind` is `PIPELINE` or `FINE_TUNE`.

    `resume_from` is the checkpoint to fine-tune in place of a pick, and `run_dir` the run that its
    outputs are called by. `metric` is a column of metrics.csv to pick by.
    """

    manifest: Path
    overrides: tuple[Override, ...] = ()
    skip_sweep: bool = False
    skip_fine: bool = False
    resume_from: Path | None = None
    run_dir: Path | None = None
    metric: str | None = None
    jobs: int | None = None
    resume: bool = False
    output_root: Path | None = None
    launcher: str = launchers.DEFAULT
    kind: str = PIPELINE


@dataclass(frozen=True)
class PipelineResult:
    """All that was made, ranked, and the pick of the sweep; `failures` are of jobs passed over."""

    board: Leaderboard
    pick: Pick
    failures: tuple[TopoqaTrainError, ...] = ()


@dataclass(frozen=True)
class PipelinePlan:
    """Everything checked, nothing begun.

    `pick` is None where it is for the sweep to give, and where there is `lacking` a run to pick
    from: such a plan can be shown, but not carried out. `notes` are lines that people should read.
    """

    request: PipelineRequest
    manifest: LoadedManifest
    resolver: DataResolver
    sweep: tuple[Job, ...]
    fine: tuple[Job, ...]
    pick: Pick | None
    root: Path
    shown: Plan
    earlier: Earlier
    notes: tuple[str, ...] = ()
    lacking: RequestError | None = None


def plan_pipeline(request: PipelineRequest, resolver: DataResolver, clock: Clock) -> PipelinePlan:
    """Load and check it all: manifest, configs, checkpoint, labels, coverage, where runs go.

    Raises:
        RequestError: with every fault that was found.
    """
    history.keep_runs()
    _check_request(request)
    manifest = load_manifest(request.manifest, request.overrides)
    root = root_of_jobs(manifest, request.output_root)
    earlier = previous_session.look(root, request.kind, manifest.source, clock)
    if request.resume:
        earlier.check_over()
    pick, lacking = None, None
    try:
        pick = _known_pick(request, RunStore(root), earlier, clock)
    except checkpoint_selection.NothingToPickError as error:
        lacking = error
    sweep = [] if request.skip_sweep else _sweep_jobs(manifest, request, resolver)
    fine = (
        []
        if request.skip_fine
        else fine_tune.planned(manifest, pick, resolver, request.output_root)
    )
    jobs = [job for _, job in (*sweep, *fine)]
    _check_same_network(
        [job for _, job in ([] if pick else sweep) + fine[1:]], [job for _, job in fine[:1]]
    )
    data = check_jobs(jobs, resolver)
    check_places([job for job in jobs if not (request.resume and _was_begun(job, earlier))])
    phases = [(SWEEP, sweep), (fine_tune.PHASE1, fine[:1]), (fine_tune.PHASE2, fine[1:])]
    side_by_side = [job for _, job in sweep or fine[1:] or fine]
    return PipelinePlan(
        request=request,
        manifest=manifest,
        resolver=resolver,
        sweep=tuple(job for _, job in sweep),
        fine=tuple(job for _, job in fine),
        pick=pick,
        root=root,
        shown=shown_plan(
            manifest.name,
            [(name, pairs) for name, pairs in phases if pairs],
            data,
            at_once=jobs_at_once(request.jobs, side_by_side),
            keep_going=manifest.continue_on_error,
        ),
        earlier=earlier,
        notes=tuple(
            _notes(request, earlier, pick, [job for _, job in sweep], [job for _, job in fine])
        ),
        lacking=lacking,
    )


def rehearse_pipeline(plan: PipelinePlan, reporter: Reporter) -> None:
    """Read every graph and build every network, as before the first job; train nothing.

    Raises:
        TopoqaTrainError: the first fault found.
    """
    jobs = [*plan.sweep, *plan.fine]
    if jobs:
        with launchers.make(plan.request.launcher, plan.shown.at_once) as launcher:
            check_graphs(launcher, reporter, jobs)


def run_pipeline(plan: PipelinePlan, reporter: Reporter, clock: Clock) -> PipelineResult:
    """Carry out a plan.

    Raises:
        TopoqaTrainError: there is no run to pick from, a job failed (with `continue_on_error`: all
            of a phase did), or it was told to stop.
    """
    if plan.lacking is not None:
        raise plan.lacking
    request, manifest = plan.request, plan.manifest
    reporter.plan(plan.shown)
    for line in plan.notes:
        reporter.note(line)
    if plan.pick is not None and not plan.sweep and not plan.fine:
        return PipelineResult(_board(RunStore(plan.root).all(), clock), plan.pick)
    with launchers.make(request.launcher, plan.shown.at_once) as launcher:
        check_graphs(launcher, reporter, [*plan.sweep, *plan.fine])
        # Not before all is checked: a start that came to nothing is nothing to go on with.
        with plan.earlier.begun(plan.root, clock, goes_on=request.resume) as ledger:
            previous = plan.earlier if request.resume else None
            rounds = Rounds(launcher, reporter, clock, ledger, previous)
            pick = _swept(plan, rounds)
            if plan.fine:
                fine_tune.carry_out(manifest, pick, rounds, plan.resolver, request.output_root)
            ledger.finish(clock)
    return PipelineResult(_board(rounds.made, clock), pick, tuple(rounds.failures.values()))


def _swept(plan: PipelinePlan, rounds: Rounds) -> Pick:
    """Do the sweep, if there is one, and say what is fine-tuned."""
    swept: list[RunPaths] = []
    if plan.pick is not None and plan.pick.run_id is not None:
        rounds.ledger.pin(plan.pick.run_id)  # the sweep is not to put it aside
    if plan.sweep:
        swept = rounds.run(SWEEP, plan.sweep, keep_going=plan.manifest.continue_on_error)
    pick = plan.pick
    if pick is None:
        pick = checkpoint_selection.of_sweep(swept, rounds.clock, plan.request.metric)
        for line in pick.notes:
            rounds.reporter.note(line)
    # Picked again after a stop it could be another: a run of this very fine-tuning, say.
    rounds.ledger.pick = pick.to_json()
    rounds.ledger.write()
    return pick


def _check_request(request: PipelineRequest) -> None:
    if request.kind == FINE_TUNE and (request.resume_from is None) != (request.run_dir is None):
        given, lacking = "--checkpoint", "--run-dir"
        if request.resume_from is None:
            given, lacking = lacking, given
        raise RequestError(
            f"{given} goes with {lacking}",
            hint="--checkpoint CKPT is what to fine-tune, --run-dir DIR the run that its outputs "
            "are called by. Without both, the best of all finished runs is picked.",
        )
    if request.metric is not None and request.resume_from is not None:
        named = "--resume-from" if request.kind == PIPELINE else "--checkpoint"
        raise RequestError(
            f"--metric picks a checkpoint, and {named} names one", hint="Leave one of them out."
        )


def _known_pick(
    request: PipelineRequest, store: RunStore, earlier: Earlier, clock: Clock
) -> Pick | None:
    """What to fine-tune where no sweep has to be waited for: the one named, or the best of all."""
    if request.resume_from is not None:
        if request.run_dir is not None:
            return checkpoint_selection.of_run(request.run_dir, request.resume_from, clock)
        return checkpoint_selection.of_file(request.resume_from)
    if not request.skip_sweep:
        return None
    if request.resume and earlier.ledger is not None and earlier.ledger.pick is not None:
        before = checkpoint_selection.remembered(earlier.ledger.pick)
        if before is not None:
            return before
    return checkpoint_selection.of_finished(store, clock, request.metric, _WAYS_OUT[request.kind])


def _sweep_jobs(
    manifest: LoadedManifest, request: PipelineRequest, resolver: DataResolver
) -> list[tuple[JobPlan, Job]]:
    return [
        (plan, make_job(plan, resolver, output_root=request.output_root)) for plan in manifest.jobs
    ]


def _was_begun(job: Job, earlier: Earlier) -> bool:
    return earlier.run_of(job.name, identity(job)) is not None


def _check_same_network(jobs: Sequence[Job], phase1: Sequence[Job]) -> None:
    """Weights go from the sweep through phase 1 to phase 2: say now if they can't."""
    faults = [
        f"{job.name}: {key} is {here!r}, in {first.name} {there!r}"
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


def _notes(
    request: PipelineRequest,
    earlier: Earlier,
    pick: Pick | None,
    sweep: Sequence[Job],
    fine: Sequence[Job],
) -> list[str]:
    """What people should read before it begins."""
    notes = []
    if request.resume_from is not None and not request.skip_sweep:
        notes.append(
            "--resume-from is given: fine-tuning starts from it, not from the best of this sweep "
            "(--skip-sweep saves the sweep)."
        )
    offer = None if request.resume or not (sweep or fine) else earlier.offer()
    if offer is not None:
        notes.append(offer)
    if request.resume:
        notes += earlier.faults
    if request.resume and earlier.ledger is None:
        notes.append(f"There is no {request.kind} of this manifest to go on with: this begins one.")
    elif request.resume:
        changed = earlier.changed({job.name: identity(job) for job in sweep})
        notes += [] if changed is None else [changed]
    return [*notes, *(() if pick is None else pick.notes)]


def _board(runs: Sequence[RunPaths], clock: Clock) -> Leaderboard:
    good, bad = summary.read_all(list(runs), clock)
    return leaderboard.rank(good, notes=bad)
