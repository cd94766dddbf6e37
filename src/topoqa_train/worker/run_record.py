"""What a run writes about itself, so that it can be understood, compared and repeated."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from topoqa_train import atomic
from topoqa_train.clock import Clock, iso
from topoqa_train.config.writer import dump_yaml
from topoqa_train.errors import DataError
from topoqa_train.launch.job import DataFiles, Job
from topoqa_train.provenance import diff, environment
from topoqa_train.provenance.environment import Environment
from topoqa_train.runs import status
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.training.data.load import LoadedData
from topoqa_train.training.device import device
from topoqa_train.training.engine import FitResult


def write_configs(job: Job, paths: RunPaths) -> None:
    """Write the three files under `config/`."""
    atomic.write_bytes(paths.original_config, job.original_yaml.encode("utf-8"))
    write_config(job, paths)


def write_config(job: Job, paths: RunPaths) -> None:
    """Write the effective config and its overrides."""
    atomic.write_text(paths.config, job.config_yaml)
    if job.overrides:
        atomic.write_text(paths.applied_overrides, dump_yaml(job.overrides))


def environment_of(job: Job) -> Environment:
    """Return the environment of this process, with the device that the job trains on."""
    trainer = job.config.trainer
    found = environment.current(trainer.threads)
    host = {**found.host, "device": device(trainer.accelerator, trainer.devices)}
    return replace(found, host=host)


def describe(job: Job, run_id: str, clock: Clock, now: Environment) -> RunMetadata:
    """Return the metadata of a run that is about to start in the environment `now`."""
    return RunMetadata(
        run_name=run_id,
        created=iso(clock.now()),
        status=Status.RUNNING,
        job=job.name,
        session=job.session,
        source_config=job.source_config,
        overrides=job.overrides,
        notes=job.options.notes,
        trial_label=job.options.trial_label,
        command=job.command,
        **asdict(now),
        process=status.this_process(),
        training_parameters=training_parameters(job),
        config=diff.relevant_config(job.config),
        started_from=job.started_from,
        selection={
            **job.config.selection.model_dump(mode="json"),
            "ranking_metric": job.config.selection.ranking_metric,
        },
    )


def resumed(document: RunMetadata, job: Job, now: Environment, clock: Clock) -> RunMetadata:
    """Return the metadata of a run that is resumed in the environment `now`.

    Versions, host and environment stay those of the first session; `resumed` lists for each later
    one what differs from it.
    """
    config = diff.relevant_config(job.config)
    # The config is that of the session before; the environment is that of the first session.
    differs = [
        *(diff.of_config(document.config, config) if document.config else ()),
        *diff.of_environment(document, now),
    ]
    session = {
        "at": iso(clock.now()),
        "epochs_done": document.progress.get("epochs_done", 0),
        "checkpoint": None if job.resume_checkpoint is None else job.resume_checkpoint.name,
        "differs": [each.to_json() for each in differs],
    }
    changes = {
        "status": Status.RUNNING,
        "completed": None,
        "error": None,
        "process": status.this_process(),
        "session": job.session or document.session,
        "overrides": job.overrides,
        "training_parameters": training_parameters(job),
        "config": config,
        "resumed": [*document.resumed, session],
    }
    return document.model_copy(update=changes)


def training_parameters(job: Job) -> dict[str, Any]:
    """Return what was trained how, flat enough to compare runs by."""
    config = job.config
    return {
        **config.model.model_dump(mode="json"),
        **config.dataloader.model_dump(mode="json"),
        **config.trainer.model_dump(mode="json"),
        "learning_rate": config.optimizer.learning_rate,
        "scheduler": config.scheduler.model_dump(mode="json"),
        "early_stopping_patience": config.early_stopping.patience,
        "edge_layer_norm": config.edge_schema.use_layer_norm,
        **job.options.recorded(),
        "graph_dir": str(job.data.graph),
    }


def write_data_documents(paths: RunPaths, data: LoadedData) -> None:
    """Write feature_metadata.json and dataset_coverage.json."""
    atomic.write_json(paths.feature_metadata, data.schema.to_document())
    atomic.write_json(paths.coverage, data.coverage_document())


def data_document(files: DataFiles, data: LoadedData, read_seconds: float) -> dict[str, Any]:
    """Return the `data` of run_metadata.json: what the run trains on, with fingerprints.

    `read_seconds` is the time that its process took to read them, once for all of its runs.
    """
    return {
        "name": files.name,
        "version": files.version,
        "graphs": data.counts(),
        "left_out": dict(data.left_out),
        "labels": {split: str(path) for split, path in files.labels().items()},
        "graph": str(files.graph),
        "fingerprint": data.fingerprint.whole,
        "fingerprints": {"labels": data.fingerprint.labels, "graphs": data.fingerprint.graphs},
        "read_seconds": read_seconds,
    }


def check_same_data(document: RunMetadata, job: Job, data: LoadedData) -> None:
    """Raise `DataError` if a run to resume was trained on other data than `data`."""
    now = data_document(job.data, data, 0.0)
    found = diff.of_data(document.data, now)
    if found:
        raise DataError(
            f"{document.run_name} was trained on data that differ from the present ones",
            details=[*map(str, found), *map(str, diff.of_data_files(document.data, now))],
            hint="Bring the old data back, or start a new run from its weights: "
            "topoqa-train run --resume-from CKPT",
        )


def seconds_before(document: RunMetadata) -> float:
    """Return the training time of earlier sessions; of one that was killed, its whole epochs."""
    known = (document.runtime.get("seconds"), document.progress.get("training_seconds"))
    return max((float(value) for value in known if isinstance(value, int | float)), default=0.0)


def runtime(result: FitResult, seconds: float) -> dict[str, Any]:
    """Return the `runtime` of run_metadata.json; seconds cover all sessions of a resumed run."""
    epochs = max(result.progress.epochs_done, 1)
    return {
        "seconds": seconds,
        "mean_epoch_seconds": result.progress.seconds / epochs,
        "epochs": result.progress.epochs_done,
        "stopped_early": result.stopped_early,
    }
