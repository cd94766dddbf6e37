"""Fine-tuning: phase 1 from the selected checkpoint, then phase 2 with one run per seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from topoqa_train.config.job_plan import JobPlan, LoadedManifest
from topoqa_train.launch.job import Job
from topoqa_train.runs.ledger import SelectedCheckpoint
from topoqa_train.workflows import checkpoint_selection
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import make_job
from topoqa_train.workflows.job_runner import JobRunner

PHASE1, PHASE2 = "phase 1", "phase 2"
# Replaces the name of the run that the sweep will select, while a plan is checked and shown.
UNKNOWN_BASE = "…"


def planned(
    manifest: LoadedManifest,
    selected: SelectedCheckpoint | None,
    resolver: DataResolver,
    output_root: Path | None,
) -> list[tuple[JobPlan, Job]]:
    """Return both phases as far as they are known beforehand: phase 1, then phase 2 by seed.

    Raises:
        RequestError: the manifest has no section `fine_tune`, or a file does not exist.
    """
    base = UNKNOWN_BASE if selected is None else selected.base
    start = None if selected is None else selected.checkpoint
    plans = [
        manifest.phase1_job(base, start),
        *manifest.phase2_jobs(base, start if _phase2_starts_from_selected(manifest) else None),
    ]
    return [(plan, make_job(plan, resolver, output_root=output_root)) for plan in plans]


def carry_out(
    manifest: LoadedManifest,
    selected: SelectedCheckpoint,
    runner: JobRunner,
    resolver: DataResolver,
    output_root: Path | None,
) -> None:
    """Train phase 1, then one run per seed from phase 1's best checkpoint or from `selected`.

    Raises:
        TopoqaTrainError: a job failed (with `continue_on_error`: all of a phase did).
    """

    def jobs(plans: Sequence[JobPlan], start: SelectedCheckpoint) -> list[Job]:
        started_from = {"run_id": start.run_id, "epoch": start.epoch}
        return [
            make_job(plan, resolver, output_root=output_root, started_from=started_from)
            for plan in plans
        ]

    first = jobs([manifest.phase1_job(selected.base, selected.checkpoint)], selected)
    (phase1,) = runner.run(PHASE1, first, keep_going=False)
    start = selected
    if not _phase2_starts_from_selected(manifest):
        start = checkpoint_selection.best_of(phase1, runner.clock)
    seeds = jobs(manifest.phase2_jobs(selected.base, start.checkpoint), start)
    runner.run(PHASE2, seeds, keep_going=manifest.continue_on_error)


def _phase2_starts_from_selected(manifest: LoadedManifest) -> bool:
    """Return whether phase 2 starts from the selected checkpoint, as phase 1 does."""
    return manifest.fine_tune is not None and manifest.fine_tune.start_from == "sweep"
