"""Turn a planned job of a manifest, or a single config, into a job that a launcher takes."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from topoqa_train import bounded_read
from topoqa_train.config.job_plan import JobPlan, LoadedManifest
from topoqa_train.config.load import LoadedConfig
from topoqa_train.config.models import TRACKERS
from topoqa_train.config.run_options import NEUTRAL
from topoqa_train.errors import RequestError, combine_errors
from topoqa_train.launch import environment
from topoqa_train.launch.job import Check, Job
from topoqa_train.runs.store import RunStore, check_run_name, current_checkpoint, root_of_runs
from topoqa_train.views.progress import Change, DataSummary, Plan, PlannedJob, PlannedPhase
from topoqa_train.workflows.data_resolver import DataResolver

FAST_DEV_EPOCHS = 1
# A phase's name and its jobs, as planned and as a launcher takes them.
Phase = tuple[str, Sequence[tuple[JobPlan, Job]]]
Checked = TypeVar("Checked")


def make_job(
    plan: JobPlan,
    resolver: DataResolver,
    *,
    output_root: Path | None,
    started_from: Mapping[str, Any] | None = None,
) -> Job:
    """Return the job of `plan`, with its data and its checkpoint located.

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
        overrides=plan.config.applied_overrides(),
        data=resolver.files(config),
        options=options,
        started_from=_started_from(options.weights_from, started_from),
        command=["topoqa-train", *sys.argv[1:]],
    )


def root_of_jobs(manifest: LoadedManifest, output_root: Path | None) -> Path:
    """Return the folder of a manifest's runs, ledger and log: the one its first job goes to."""
    first = manifest.jobs[0]
    return root_of_runs(output_root or first.output_root, first.config.config.paths.save_dir)


def existing_checkpoint(path: Path) -> Path:
    """Return the file at `path`, with links resolved; raises `RequestError` if there is none.

    `latest` and `best.ckpt` may point elsewhere by the time the file is read. A run that was moved
    to `history/` is found there.
    """
    file = current_checkpoint(path)
    if not file.is_file():
        raise RequestError(
            f"there is no checkpoint {path}",
            hint="topoqa-train leaderboard lists the runs there are and their checkpoints.",
        )
    return file.resolve()


def check_and_show(
    title: str,
    phases: Sequence[Phase],
    resolver: DataResolver,
    *,
    resumed: Callable[[Job], bool],
    at_once: int,
    keep_going: bool,
) -> Plan:
    """Check labels, coverage and run names of all jobs; return the plan to show.

    Jobs that are `resumed` have a run already, so that their names are not checked.

    Raises:
        RequestError: with every error that was found.
    """
    jobs = [job for _, pairs in phases for _, job in pairs]
    data = _for_each(jobs, lambda job: resolver.check(job.data, job.config))
    new = [job for job in jobs if not resumed(job)]
    _for_each(new, lambda job: RunStore(job.output_root).check(job.run_name))
    not_empty = [(name, pairs) for name, pairs in phases if pairs]
    return shown_plan(title, not_empty, data, at_once=at_once, keep_going=keep_going)


def _for_each(jobs: Iterable[Job], check: Callable[[Job], Checked]) -> list[Checked]:
    """Return what `check` returns for each job, or raise all its errors as one."""
    errors: list[tuple[str, RequestError]] = []
    results = []
    for job in jobs:
        try:
            results.append(check(job))
        except RequestError as error:
            errors.append((job.name, error))
    if errors:
        raise combine_errors(errors)
    return results


def graph_checks(jobs: Sequence[Job]) -> list[Check]:
    """Return one check per data set, of its graphs and of every job that uses it."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.data_key, []).append(job)
    return [
        Check(
            name=f"graphs of {first.data.short_title}",
            config=first.config,
            data=first.data,
            jobs=(first, *others),
        )
        for first, *others in groups.values()
    ]


def shown_plan(
    title: str,
    phases: Sequence[Phase],
    data: Sequence[DataSummary],
    *,
    at_once: int,
    keep_going: bool = False,
) -> Plan:
    """Return a plan as screens show it; `data` is in the order of all jobs."""
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
    """Return what the overrides change in the config, the last one of each key."""
    origins = {override.key: override.origin for override in loaded.overrides}
    changes = []
    for key, value in loaded.applied_overrides().items():
        before = loaded.before_overrides(key)
        shown = None if before is None else _text(before)
        changes.append(Change(key, shown, _text(value), origins[key]))
    return tuple(changes)


def _text(value: Any) -> str:  # noqa: ANN401 - any YAML value
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
    """Return how many jobs run at once: `--jobs`, else one per core, or one on an accelerator."""
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
    # Labels and weights count by content: files of the same name are often edited or replaced.
    # Graphs count by folder only, because reading all of them would delay every start; a run that
    # is resumed compares its data with the recorded ones itself.
    labels = {split: file_digest(path) for split, path in job.data.labels().items()}
    options = job.options
    relevant: dict[str, Any] = {
        # Name, output root and notes are absent: moving or renaming a run must not retrain it.
        "config": job.config.model_dump(mode="json", exclude={*TRACKERS, "logging"}),
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
    """Return the SHA-256 of a file as hexadecimal digits."""
    with bounded_read.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _started_from(weights: Path | None, given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if weights is None:
        return None
    return {"checkpoint": str(weights), "sha256": file_digest(weights), **(given or {})}
