"""Repeat a run as a new run: with its config, its options and the weights it started from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topoqa_train.clock import Clock
from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.load import KIND, load_config
from topoqa_train.config.names import plain_name
from topoqa_train.config.overrides import Override
from topoqa_train.config.run_options import NEUTRAL, RunOptions
from topoqa_train.config.yaml.reader import read_bytes
from topoqa_train.errors import RequestError
from topoqa_train.launch.job import Job, RerunOf
from topoqa_train.provenance import diff, environment
from topoqa_train.provenance.diff import Difference
from topoqa_train.runs import summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import run_of
from topoqa_train.runs.summary import RunSummary
from topoqa_train.workflows import recorded_run
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import make_job
from topoqa_train.workflows.recorded_run import NUM_EPOCHS
from topoqa_train.workflows.run import RunPlan, plan_of_job

# The time at the end of a run's name: without it, the name is that of the job.
_STAMP = re.compile(r"_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(?:_\d+)?$")
_SHOWN = 12


@dataclass(frozen=True)
class RerunRequest:
    """The run to repeat and what to change; options that are not set stay as they were."""

    run: RunPaths
    overrides: Sequence[Override] = ()
    run_name: str | None = None
    options: RunOptions = field(default_factory=RunOptions)


def plan_rerun(
    request: RerunRequest, resolver: DataResolver, clock: Clock, *, output_root: Path | None
) -> RunPlan:
    """Return the job of the run once more, with notes on what differs since.

    Raises:
        RequestError: there is no such run, it is running, or what it needs is gone.
    """
    run = summary.read(request.run, clock)
    recorded_run.check_not_running(run)
    _check_has_config(run)
    before = recorded_run.options(run)
    plan = _job_plan(request, run, before)
    start = {} if request.options.weights_from is not None else _source_of_weights(run)
    job = make_job(plan, resolver, output_root=output_root, started_from=start)
    job = job.model_copy(update={**_epochs(request, run, plan, job), **_source(run, job)})
    requested = [
        *diff.of_config(recorded_run.config(run), diff.relevant_config(job.config)),
        *_of_options(before, job.options),
        *_of_weights(run, job),
    ]
    # Other programs train in another way: comparing versions with them means nothing.
    found = [] if run.read_only else _of_environment(run, job, requested)
    rerun_of = RerunOf(
        run_id=run.paths.run_id,
        run_dir=run.paths.root.resolve(),
        differs=tuple(each.to_json() for each in requested),
        reported=tuple(map(str, found)),
        compared=not run.read_only,
    )
    notes = _notes(run, job, [*requested, *found])
    return plan_of_job(plan, job.model_copy(update={"rerun_of": rerun_of}), resolver, notes)


def _check_has_config(run: RunSummary) -> None:
    if not run.paths.config.is_file():
        raise RequestError(
            f"{run.paths.run_id} can't be repeated: it has no config/{run.paths.config.name}",
            hint="If you have its config elsewhere: topoqa-train run --config FILE",
        )


def _job_plan(request: RerunRequest, run: RunSummary, before: RunOptions) -> JobPlan:
    given = request.options
    return JobPlan(
        name=plain_name(run.metadata.job or _STAMP.sub("", run.paths.run_id)),
        config=load_config(run.paths.config, request.overrides),
        run_name=request.run_name,
        options=given.over(
            before,
            weights_from=given.weights_from or recorded_run.starting_checkpoint(run),
            trainer_args={**before.trainer_args, **given.trainer_args},
        ),
    )


def _source_of_weights(run: RunSummary) -> dict[str, Any]:
    """Return the recorded run and epoch of the starting checkpoint."""
    start = run.metadata.started_from or {}
    return {name: start[name] for name in ("run_id", "epoch") if name in start}


def _epochs(request: RerunRequest, run: RunSummary, plan: JobPlan, job: Job) -> dict[str, Any]:
    """Return the config of a fast dev run that had been resumed for more than its one epoch."""
    epochs = run.metadata.training_parameters.get("num_epochs")
    more = any(override.key == NUM_EPOCHS for override in request.overrides)
    resumed = more or epochs == plan.config.config.trainer.num_epochs
    if job.options.fast_dev_run and not request.options.fast_dev_run and resumed:
        return {"config": plan.config.config}
    return {}


def _source(run: RunSummary, job: Job) -> dict[str, Any]:
    """Return the source that the run's own config came from, as the source of the rerun, too."""
    file = run.paths.original_config
    if not file.is_file():
        return {}
    try:
        text = read_bytes(file, KIND).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{file} is not text in UTF-8") from error
    return {
        "original_yaml": text,
        "source_config": run.metadata.source_config or str(file),
        "overrides": {**run.metadata.overrides, **job.overrides},
    }


def _of_options(then: RunOptions, now: RunOptions) -> Iterator[Difference]:
    recorded = then.recorded()
    for name, value in now.recorded().items():
        if recorded[name] != value:
            kind: diff.Kind = "place" if name in NEUTRAL else "asked"
            yield Difference(name, recorded[name], value, kind)


def _of_weights(run: RunSummary, job: Job) -> Iterator[Difference]:
    then, now = run.metadata.started_from or {}, job.started_from or {}
    # The path says little: the file may have been moved or replaced. Older runs have no hash.
    key = "sha256" if "sha256" in then else "checkpoint"
    if then.get(key) != now.get(key):
        yield Difference("starting weights", _weights(then), _weights(now), "asked")


def _weights(start: Mapping[str, Any]) -> str | None:
    file = start.get("checkpoint")
    if not isinstance(file, str):
        return None
    digest = start.get("sha256")
    return f"{Path(file).name} of {run_of(file)}" + (f" ({str(digest)[:8]})" if digest else "")


def _of_environment(run: RunSummary, job: Job, requested: Sequence[Difference]) -> list[Difference]:
    found = diff.of_environment(run.metadata, environment.of_child(job.config.trainer.threads))
    # The host's threads are set by the config; report a change only once.
    requested_threads = any(each.what == "trainer.threads" for each in requested)
    return [each for each in found if not (requested_threads and each.what == "threads")]


def _notes(run: RunSummary, job: Job, found: Sequence[Difference]) -> Iterator[str]:
    weights = job.options.weights_from
    source = "" if weights is None else f", from the weights of {weights.name}"
    yield f"Rerun of {run.paths.run_id}, with its config and options{source}."
    if run.read_only:
        yield f"It is {run.kind}. {run.rerun_warning}"
        if "--resume-from" in run.metadata.command and weights is None:
            yield "Its command has --resume-from: give it here, too, to start from those weights."
    yield from _notes_on_resumed(run)
    if found:
        yield "Differences:"
        yield from (f"  {each}" for each in found[:_SHOWN])
        if len(found) > _SHOWN:
            yield f"  and {len(found) - _SHOWN} more: see rerun_of in run_metadata.json"
    if not run.read_only:
        yield diff.verdict(found)


def _notes_on_resumed(run: RunSummary) -> Iterator[str]:
    """Yield a note for each time that the run was resumed in another environment."""
    for session in run.metadata.resumed:
        differs = session.get("differs")
        names = [
            diff.shown(each.get("what"))
            for each in (differs if isinstance(differs, list) else ())
            if isinstance(each, dict) and each.get("kind") != "place"
        ]
        if names:
            yield (
                f"It was resumed after {diff.shown(session.get('epochs_done'))} epochs with other "
                f"{', '.join(names)}: later epochs can't be reproduced."
            )
