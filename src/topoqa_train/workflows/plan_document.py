"""The plan of a pipeline for programs: what `pipeline --dry-run --json` prints."""

from __future__ import annotations

from typing import Any

from topoqa_train.launch.job import Job
from topoqa_train.views.progress import PlannedJob
from topoqa_train.workflows.pipeline import PipelinePlan


def plan_document(plan: PipelinePlan) -> dict[str, Any]:
    """All that is decided before the first job starts, in types that JSON holds."""
    request = plan.request
    jobs = zip(plan.shown.jobs, (*plan.sweep, *plan.fine), strict=True)
    return {
        "manifest": str(plan.manifest.source.absolute()),
        "output_root": str(plan.root),
        "skip_sweep": request.skip_sweep,
        "skip_fine": request.skip_fine,
        "resume": request.resume,
        "resume_from": None if request.resume_from is None else str(request.resume_from),
        "at_once": plan.shown.at_once,
        "jobs": [_job(shown, job) for shown, job in jobs],
    }


def _job(shown: PlannedJob, job: Job) -> dict[str, Any]:
    return {
        "phase": shown.phase,
        "name": shown.name,
        "run_name": job.run_name,
        "config": shown.config,
        "epochs": shown.epochs,
        "overrides": {change.key: change.now for change in shown.changes},
        "data": job.data.title,
        "graph": str(job.data.graph),
        "labels": {split: str(path) for split, path in job.data.labels().items()},
    }
