"""From a job of a manifest, or a single config, to a job that a launcher takes."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from topoqa_train import bounded_read, trackers
from topoqa_train.config.job_plan import JobPlan, LoadedManifest
from topoqa_train.config.load import LoadedConfig
from topoqa_train.config.models import TrainingConfig
from topoqa_train.config.run_options import NEUTRAL
from topoqa_train.errors import RequestError, combine_errors
from topoqa_train.launch import environment
from topoqa_train.launch.job import Check, Job
from topoqa_train.runs.store import RunStore, check_run_name, current_checkpoint, root_of_runs
from topoqa_train.views.progress import Change, DataSummary, Plan, PlannedJob, PlannedPhase
from topoqa_train.workflows.data_resolver import DataResolver

FAST_DEV_EPOCHS = 1


def make_job(
    plan: JobPlan,
    resolver: DataResolver,
    *,
    output_root: Path | None,
    started_from: Mapping[str, Any] | None = None,
) -> Job:
    """The job of `plan`, its data found and its checkpoint there.

    Raises:
        RequestError: data, checkpoint, name or tracker can't be used.
    """
    options = plan.options
    if options.weights_from is not None:
        weights = existing_checkpoint(options.weights_from)
        options = options.model_copy(update={"weights_from": weights})
    if plan.run_name is not None:
        check_run_name(plan.run_name)
    config = plan.config.config
    trackers.check_installed(config)
    if options.fast_dev_run:
        trainer = config.trainer.model_copy(update={"num_epochs": FAST_DEV_EPOCHS})
        config = config.model_copy(update={"trainer": trainer})
    return Job(
        name=plan.name,
        run_name=plan.run_name,
        stamped=plan.stamped,
        output_root=root_of_runs(output_root or plan.output_root, config.paths.save_dir),
        config=config,
        config_yaml=plan.config.to_yaml(),
        original_yaml=plan.config.source_bytes.decode("utf-8"),
        source_config=str(plan.config.source),
        overrides=plan.config.overrides_document()["overrides"],
        data=resolver.files(config),
        options=options,
        started_from=_started_from(options.weights_from, started_from),
        command=["topoqa-train", *sys.argv[1:]],
    )


def root_of_jobs(manifest: LoadedManifest, output_root: Path | None) -> Path:
    """Where the runs of a manifest are, ledger and log too: where its first job's go."""
    first = manifest.jobs[0]
    return root_of_runs(output_root or first.output_root, first.config.config.paths.save_dir)


def existing_checkpoint(path: Path) -> Path:
    """The file that `path` leads to now; raises `RequestError` if there is none.

    Links are followed: `latest` and `best.ckpt` may lead elsewhere before the file is read. A run
    that was moved to `history/` is found there.
    """
    file = current_checkpoint(path)
    if not file.is_file():
        raise RequestError(
            f"there is no checkpoint {path}",
            hint="topoqa-train leaderboard lists the runs there are and their checkpoints.",
        )
    return file.resolve()


def network_differences(one: TrainingConfig, other: TrainingConfig) -> list[tuple[str, Any, Any]]:
    """Key and both values of all that keeps the weights of `one` from fitting `other`."""
    pairs = [
        (f"{section}.{key}", value, getattr(getattr(other, section), key))
        for section in ("model", "edge_schema")
        for key, value in getattr(one, section).model_dump().items()
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]


def check_jobs(jobs: Sequence[Job], resolver: DataResolver) -> list[DataSummary]:
    """Check labels and coverage of all jobs before any starts; all faults in one error.

    Returns the data of each job, in the order of the jobs.
    """
    faults: list[tuple[str, RequestError]] = []
    summaries: list[DataSummary] = []
    for job in jobs:
        try:
            summaries.append(resolver.check(job.data, job.config))
        except RequestError as error:
            faults.append((job.name, error))
    if faults:
        raise combine_errors(faults)
    return summaries


def check_places(jobs: Sequence[Job]) -> None:
    """Whether runs can go where they should, and their names are free; all faults in one error."""
    faults: list[tuple[str, RequestError]] = []
    for job in jobs:
        try:
            RunStore(job.output_root).check(job.run_name)
        except RequestError as error:
            faults.append((job.name, error))
    if faults:
        raise combine_errors(faults)


def graph_checks(jobs: Sequence[Job]) -> list[Check]:
    """One check a data set, of its graphs and of every job that wants it, before the first one."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.data_key, []).append(job)
    return [
        Check(
            name=f"graphs of {first.data.title}",
            config=first.config,
            data=first.data,
            jobs=(first, *others),
        )
        for first, *others in groups.values()
    ]


def shown_plan(
    title: str,
    phases: Sequence[tuple[str, Sequence[tuple[JobPlan, Job]]]],
    data: Sequence[DataSummary],
    *,
    at_once: int,
    keep_going: bool = False,
) -> Plan:
    """A plan as screens show it: `phases` with their jobs, `data` in the order of all jobs."""
    planned = [(name, *pair) for name, pairs in phases for pair in pairs]
    return Plan(
        title=title,
        phases=tuple(
            PlannedPhase(name, tuple(job.name for _, job in pairs)) for name, pairs in phases
        ),
        jobs=tuple(
            _planned_job(phase, plan, job, summary.graphs)
            for (phase, plan, job), summary in zip(planned, data, strict=True)
        ),
        data=tuple(summary for n, summary in enumerate(data) if summary not in data[:n]),
        at_once=at_once,
        keep_going=keep_going,
    )


def _planned_job(phase: str, plan: JobPlan, job: Job, graphs: dict[str, int]) -> PlannedJob:
    return PlannedJob(
        phase=phase,
        name=job.name,
        config=job.source_config,
        epochs=job.config.trainer.num_epochs,
        graphs=graphs,
        changes=_changes(plan.config),
        options=tuple(_options(job)),
    )


def _changes(loaded: LoadedConfig) -> tuple[Change, ...]:
    """What the overrides make of the config, the last one of each key."""
    document = loaded.overrides_document()
    changes = []
    for key, value in document["overrides"].items():
        before = loaded.before_overrides(key)
        told = None if before is None else _told(before)
        changes.append(Change(key, told, _told(value), document["origins"][key]))
    return tuple(changes)


def _told(value: Any) -> str:  # noqa: ANN401 - any YAML value
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _options(job: Job) -> Iterator[str]:
    """Yield a line for each option of a job that is not at its default."""
    if job.run_name is not None:
        yield f"run name: {job.run_name}"
    given = job.options.model_dump(exclude_defaults=True, exclude={"notes", "trial_label"})
    if "weights_from" in given:
        yield f"starts from: {given.pop('weights_from')}"
    if given.pop("fast_dev_run", False):
        yield "fast dev run: one batch, one epoch"
    for name, value in given.pop("trainer_args", {}).items():
        yield f"trainer argument: {name}={value}"
    for name, value in given.items():
        yield f"{name}: {value}"


def jobs_at_once(asked: int | None, jobs: Sequence[Job]) -> int:
    """How many jobs run side by side: `--jobs`, else one a core (one in all on an accelerator)."""
    if asked is not None:
        return max(1, asked)
    if any(job.config.trainer.accelerator != "cpu" for job in jobs):
        return 1
    threads = max((job.config.trainer.threads for job in jobs), default=1)
    return max(1, min(environment.cores() // threads, len(jobs)))


def identity(job: Job) -> str:
    """Return a hash of everything that is relevant to a job's results.

    A job with the same hash has been trained already. Ledgers hold these hashes: options added
    since keep out of them at their defaults, so that hashes written before stay valid.
    """
    labels = {split: file_digest(path) for split, path in job.data.labels().items()}
    options = job.options
    relevant: dict[str, Any] = {
        "config": job.config.model_dump(mode="json", exclude={"mlflow", "logging"}),
        "data": job.data.model_dump(mode="json"),
        "labels": labels,
        "weights_from": options.weights_from and file_digest(options.weights_from),
        "limits": [options.fast_dev_run, options.limit_train_batches, options.limit_val_batches],
        "trainer_args": options.trainer_args,
    }
    known = {"weights_from", "fast_dev_run", "limit_train_batches", "limit_val_batches"}
    others = options.model_dump(
        mode="json", exclude={*NEUTRAL, *known, "trainer_args"}, exclude_defaults=True
    )
    if others:
        relevant["options"] = others
    text = json.dumps(relevant, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimals."""
    with bounded_read.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _started_from(weights: Path | None, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if weights is None:
        return None
    return {"checkpoint": str(weights), "sha256": file_digest(weights), **(given or {})}
