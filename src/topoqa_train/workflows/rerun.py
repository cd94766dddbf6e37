"""A run done again, as a new run: with its config, its options and the weights it started from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topoqa_train.clock import Clock
from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.load import KIND, LoadedConfig, load_config
from topoqa_train.config.names import plain_name
from topoqa_train.config.overrides import Override
from topoqa_train.config.run_options import NEUTRAL, RunOptions
from topoqa_train.config.yaml.reader import read_bytes
from topoqa_train.errors import RequestError
from topoqa_train.launch.job import Again, Job
from topoqa_train.provenance import comparison, diff, environment, run_options
from topoqa_train.provenance.diff import Difference
from topoqa_train.runs import summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import run_of
from topoqa_train.runs.summary import RunSummary
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import file_digest, make_job
from topoqa_train.workflows.previous_session import ALIVE
from topoqa_train.workflows.run import RunPlan, plan_of_job

_NUM_EPOCHS = "trainer.num_epochs"
_STAMP = re.compile(r"_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(?:_\d+)?$")
_NAMED = 12


@dataclass(frozen=True)
class AgainRequest:
    """Which run, and what of it is to be otherwise; None and False leave it as it was."""

    run: RunPaths
    overrides: Sequence[Override] = ()
    run_name: str | None = None
    options: RunOptions = field(default_factory=RunOptions)


def plan_again(
    request: AgainRequest, resolver: DataResolver, clock: Clock, *, output_root: Path | None
) -> RunPlan:
    """The job of that run once more, and lines on what has changed around it since.

    Raises:
        RequestError: there is no such run, it is running, or what it needs is gone.
    """
    run = summary.read(request.run, clock)
    _check_may_be_done_again(run)
    before = run_options.options(run)
    plan = _plan(request, run, before)
    start = None if request.options.weights_from is not None else _source_of_weights(run)
    job = make_job(plan, resolver, output_root=output_root, started_from=start)
    job = _as_it_was(run, request, job, plan.config)
    asked = [
        *diff.of_config(_config_then(run), diff.decisive(job.config)),
        *_of_options(before, plan),
        *_of_weights(run, job),
    ]
    around = [] if run.read_only else _of_surroundings(run, job, asked)
    job = job.model_copy(
        update={
            "again_of": Again(
                run_id=run.paths.run_id,
                run_dir=run.paths.root.resolve(),
                differs=tuple(each.to_json() for each in asked),
                told=tuple(str(each) for each in around),
                reference=run.read_only,
            )
        }
    )
    return plan_of_job(plan, job, resolver, _notes(run, job, [*asked, *around]))


def _check_may_be_done_again(run: RunSummary) -> None:
    run_id = run.paths.run_id
    if run.status in ALIVE:
        raise RequestError(
            f"{run_id} is running",
            hint="Wait until it is done, or train its config beside it: topoqa-train run "
            f"--config {run.paths.config}",
        )
    if not run.paths.config.is_file():
        raise RequestError(
            f"{run_id} can't be done again: it has no config/{run.paths.config.name}",
            hint="Where the config is still at hand: topoqa-train run --config FILE",
        )


def _plan(request: AgainRequest, run: RunSummary, before: RunOptions) -> JobPlan:
    given = request.options
    return JobPlan(
        name=plain_name(run.metadata.job or _STAMP.sub("", run.paths.run_id)),
        config=load_config(run.paths.config, request.overrides),
        run_name=request.run_name,
        options=given.over(
            before,
            weights_from=given.weights_from or _start_of(run),
            trainer_args={**before.trainer_args, **given.trainer_args},
        ),
    )


def _start_of(run: RunSummary) -> Path | None:
    """The checkpoint that it took its weights from, wherever that one's run is by now.

    Of several files of that name the one with the same content is meant.
    """
    start = run.metadata.started_from or {}
    written = start.get("checkpoint")
    if not isinstance(written, str) or not written:
        return None
    file = Path(written)
    named = start.get("run_id")
    run_id = named if isinstance(named, str) else run_of(file)
    homes = comparison.homes(run.paths, file.parent.parent, run_id)
    places = dict.fromkeys([file, *(home.checkpoints / file.name for home in homes)])
    found = [place for place in places if place.is_file()]
    if not found:
        raise RequestError(
            f"the checkpoint that {run.paths.run_id} started from is gone",
            details=[written],
            hint="Bring it back, or name other weights: --resume-from CKPT (then the numbers will "
            "differ).",
        )
    same = (place for place in found if file_digest(place) == start.get("sha256"))
    return next(same, found[0])


def _source_of_weights(run: RunSummary) -> dict[str, Any]:
    """What its metadata say of those beside the file: run and epoch."""
    start = run.metadata.started_from or {}
    return {name: start[name] for name in ("run_id", "epoch") if name in start}


def _as_it_was(run: RunSummary, request: AgainRequest, job: Job, config: LoadedConfig) -> Job:
    """The source that the run's config came from, and how far a try-out goes."""
    changes: dict[str, Any] = {}
    overridden = {override.key for override in request.overrides}
    epochs = run.metadata.training_parameters.get("num_epochs")
    further = _NUM_EPOCHS in overridden or epochs == config.config.trainer.num_epochs
    # A try-out has one epoch, unless it was asked to go further.
    if job.options.fast_dev_run and not request.options.fast_dev_run and further:
        changes["config"] = config.config
    if run.paths.original_config.is_file():
        content = read_bytes(run.paths.original_config, KIND)
        changes |= {
            "original_yaml": _text(content, run.paths.original_config),
            "source_config": run.metadata.source_config or str(run.paths.original_config),
            "overrides": {**run.metadata.overrides, **job.overrides},
        }
    return job.model_copy(update=changes)


def _text(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not text in UTF-8") from error


def _config_then(run: RunSummary) -> Mapping[str, Any]:
    """What decided the run's numbers: as recorded, else as its file has it without overrides."""
    if run.metadata.config:
        return run.metadata.config
    config = diff.decisive(load_config(run.paths.config).config)
    epochs = run.metadata.training_parameters.get("num_epochs")
    if isinstance(epochs, int):
        config["trainer"]["num_epochs"] = epochs
    return config


def _of_options(before: RunOptions, plan: JobPlan) -> Iterator[Difference]:
    then = before.recorded()
    for name, now in plan.options.recorded().items():
        if then[name] != now:
            yield Difference(name, then[name], now, "place" if name in NEUTRAL else "asked")


def _of_weights(run: RunSummary, job: Job) -> Iterator[Difference]:
    then, now = run.metadata.started_from or {}, job.started_from or {}
    # A file may have been moved, or be another one under the same name. Of older runs there is
    # nothing but the path.
    known = "sha256" if "sha256" in then else "checkpoint"
    if then.get(known) != now.get(known):
        yield Difference("starting weights", _weights(then), _weights(now), "asked")


def _weights(start: Mapping[str, Any]) -> str | None:
    file = start.get("checkpoint")
    if not isinstance(file, str):
        return None
    digest = start.get("sha256")
    known = f" ({str(digest)[:8]})" if digest else ""
    return f"{Path(file).name} of {run_of(file)}{known}"


def _of_surroundings(run: RunSummary, job: Job, asked: Sequence[Difference]) -> list[Difference]:
    now = environment.of_child(job.config.trainer.threads)
    found = diff.of_surroundings(run.metadata, now)
    # The host's threads are the config's, said once.
    also_asked = any(each.what == "trainer.threads" for each in asked)
    return diff.without(found, {"threads"} if also_asked else ())


def _notes(run: RunSummary, job: Job, found: Sequence[Difference]) -> Iterator[str]:
    run_id = run.paths.run_id
    weights = (
        ""
        if job.options.weights_from is None
        else f", from the weights of {job.options.weights_from.name}"
    )
    yield f"Again: {run_id}, with its config and options{weights}."
    if run.read_only:
        yield f"It is {run.kind}. {run.rerun_warning}"
        yield from _weights_in_command(run, job)
    yield from _resumed(run)
    if found:
        yield "Not as then:"
        yield from (f"  {each}" for each in found[:_NAMED])
        if len(found) > _NAMED:
            yield f"  and {len(found) - _NAMED} more: see again_of in run_metadata.json"
    if not run.read_only:
        yield diff.verdict(found)


def _resumed(run: RunSummary) -> Iterator[str]:
    """A run that went on under other conditions is the work of both."""
    for sitting in run.metadata.resumed:
        names = ", ".join(_that_make_numbers(sitting.get("differs")))
        if names:
            epochs = diff.shown(sitting.get("epochs_done"))
            yield (
                f"It was resumed after {epochs} epochs with other {names}: "
                "what came after can't be expected again."
            )


def _that_make_numbers(differs: Any) -> Iterator[str]:  # noqa: ANN401 - of a file
    for each in differs if isinstance(differs, list) else ():
        if isinstance(each, dict) and each.get("kind") != "place":
            yield diff.shown(each.get("what"))


def _weights_in_command(run: RunSummary, job: Job) -> Iterator[str]:
    if "--resume-from" in run.metadata.command and job.options.weights_from is None:
        yield "Its command names --resume-from: give it here too, to start from those weights."
