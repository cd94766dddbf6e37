"""Fine-tuning: phase 1 from what was picked, then phase 2, a run a seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from topoqa_train.config.job_plan import JobPlan, LoadedManifest
from topoqa_train.launch.job import Job
from topoqa_train.workflows import checkpoint_selection
from topoqa_train.workflows.checkpoint_selection import Pick
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import make_job
from topoqa_train.workflows.job_runner import Rounds

PHASE1, PHASE2 = "phase 1", "phase 2"
# Stands for the run that will be picked, while a plan is checked and shown.
UNKNOWN_BASE = "…"


def planned(
    manifest: LoadedManifest, pick: Pick | None, resolver: DataResolver, output_root: Path | None
) -> list[tuple[JobPlan, Job]]:
    """Both phases as they can be known beforehand: phase 1 first, then phase 2 by seed.

    Raises:
        RequestError: the manifest has no section `fine_tune`, or something is not there.
    """
    base = UNKNOWN_BASE if pick is None else pick.base
    start = None if pick is None else pick.checkpoint
    plans = [
        manifest.phase1_job(base, start),
        *manifest.phase2_jobs(base, start if _from_pick(manifest) else None),
    ]
    return [(plan, make_job(plan, resolver, output_root=output_root)) for plan in plans]


def carry_out(
    manifest: LoadedManifest,
    pick: Pick,
    rounds: Rounds,
    resolver: DataResolver,
    output_root: Path | None,
) -> None:
    """Phase 1 from the pick, then one run a seed from phase 1's best (or from the pick).

    Raises:
        TopoqaTrainError: a job failed (with `continue_on_error`: all of a phase did).
    """

    def jobs(plans: Sequence[JobPlan], start: Pick) -> list[Job]:
        started_from = {"run_id": start.run_id, "epoch": start.epoch}
        return [
            make_job(plan, resolver, output_root=output_root, started_from=started_from)
            for plan in plans
        ]

    if pick.run_id is not None:
        rounds.ledger.pin(pick.run_id)
    first = jobs([manifest.phase1_job(pick.base, pick.checkpoint)], pick)
    (phase1,) = rounds.run(PHASE1, first, keep_going=False)
    start = pick if _from_pick(manifest) else checkpoint_selection.best_of(phase1, rounds.clock)
    seconds = jobs(manifest.phase2_jobs(pick.base, start.checkpoint), start)
    rounds.run(PHASE2, seconds, keep_going=manifest.continue_on_error)


def _from_pick(manifest: LoadedManifest) -> bool:
    return manifest.fine_tune is not None and manifest.fine_tune.start_from == "sweep"
