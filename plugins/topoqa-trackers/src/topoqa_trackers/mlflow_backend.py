"""MLflow: one run there for each run directory, brought up to date from the run's files."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock

from topoqa_trackers import run_values
from topoqa_trackers.record import Record, read_record
from topoqa_trackers.run_values import Metrics
from topoqa_trackers.supervisor import Task
from topoqa_trackers.uri import Place, place_of, without_password
from topoqa_train.api import RunSummary

# MLflow refuses longer ones, and with them the whole batch; older servers are stricter.
MAX_KEY, MAX_PARAMETER, MAX_TAG = 250, 500, 5000
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_.\- /]")
# Two trackers that create the tables of one database at once would break it.
_LOCK_SECONDS = 60.0
_STATUS = {"completed": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_TAGS_OF_MLFLOW = {
    "notes": "mlflow.note.content",
    "git_commit": "mlflow.source.git.commit",
    "command": "mlflow.source.name",
}
_SUPERSEDED = "the run resumed from an earlier epoch; another run of MLflow continues it"
# A server that does not answer is given up soon, because the follower tries again.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def open_record(task: Task, path: Path) -> Record:
    """Return a record for `task` that continues the one in `path` if both have the same store."""
    before = read_record(path)
    uri, folder = task.settings["tracking_uri"], task.folder
    if before.tracking_uri == without_password(uri) and Path(before.folder).is_dir():
        # A run that is resumed from elsewhere still belongs where it was tracked first.
        folder = Path(before.folder)
    store = without_password(place_of(uri, folder).uri)
    experiment = task.settings["experiment"]
    same = (before.store, before.experiment) == (store, experiment)
    return Record(
        tracking_uri=without_password(uri),
        folder=str(folder),
        store=store,
        experiment=experiment,
        run_id=before.run_id if same else None,
        pid=os.getpid(),
    )


class MLflowBackend:
    """The run in MLflow of one run directory."""

    def __init__(self, task: Task, record: Record, save: Callable[[], None]) -> None:
        """Connect to the store; create database, tables and experiment where they do not exist.

        Raises:
            ImportError: MLflow, or what it needs for this store, is not installed.
        """
        os.environ.update({name: v for name, v in _DEFAULTS.items() if name not in os.environ})
        self.settings = task.settings
        self.record = record
        self.save = save
        self._client, self._experiment = _connect(
            place_of(self.settings["tracking_uri"], Path(record.folder)), record.experiment
        )
        self._run_id: str | None = None
        # What MLflow has, as of the last call.
        self._parameters: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._metrics: dict[tuple[str, int], float] = {}

    def update(self, run: RunSummary, *, ended: bool) -> None:
        """Send what MLflow does not have yet of `run`, and how it ended."""
        epochs = _with_keys(run_values.epoch_metrics(run))
        if self._run_id is None:
            self._find(run)
        if self._run_id is not None and self._contradicts(epochs):
            self._supersede(self._run_id)
        run_id = self._run_id or self._create(run)
        self._send(run_id, run, epochs | _with_keys(run_values.split_metrics(run)))
        if ended:
            self._end(run_id, run)

    def _find(self, run: RunSummary) -> None:
        """Continue the run in the record, unless MLflow lost it or it is another directory's."""
        from mlflow.exceptions import MlflowException

        run_id = self.record.run_id
        if run_id is None:
            return
        try:
            found = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return
        if found.info.lifecycle_stage != "active" or self._is_copy(run, found.data.tags):
            return
        self._client.update_run(run_id, status="RUNNING")
        self._run_id = run_id
        self._parameters, self._tags = dict(found.data.params), dict(found.data.tags)
        self._metrics = {
            (name, each.step): each.value
            for name in found.data.metrics
            for each in self._client.get_metric_history(run_id, name)
        }

    def _is_copy(self, run: RunSummary, tags: dict[str, str]) -> bool:
        """Return whether `run` is a copy of a directory that still exists and is tracked."""
        original = Path(tags.get("run_dir", ""))
        tracked = read_record(original / "mlflow.json").run_id == self.record.run_id
        return tracked and not original.samefile(run.paths.root)

    def _contradicts(self, epochs: Metrics) -> bool:
        """Return whether MLflow has other values of an epoch, or epochs that the run lost.

        This happens when a run resumes from an earlier checkpoint. MLflow cannot remove values.
        """
        ours = {name for name, _ in epochs} or {"val_loss"}
        return any(
            not math.isclose(value, epochs.get(at, (math.nan, 0))[0], rel_tol=1e-9, abs_tol=1e-12)
            for at, value in self._metrics.items()
            if at[0] in ours
        )

    def _supersede(self, run_id: str) -> None:
        self._client.set_tag(run_id, "status", "superseded")
        self._client.set_tag(run_id, "superseded", _SUPERSEDED)
        self._client.set_terminated(run_id, status=_STATUS["interrupted"])
        self._run_id = None

    def _create(self, run: RunSummary) -> str:
        began = run_values.milliseconds(run.metadata.created)
        name = self.settings["run_name"] or run.metadata.run_name
        created = self._client.create_run(self._experiment, start_time=began, run_name=name)
        run_id = self._run_id = self.record.run_id = str(created.info.run_id)
        self.save()
        self._parameters, self._tags, self._metrics = {}, {}, {}
        return run_id

    def _send(self, run_id: str, run: RunSummary, metrics: Metrics) -> None:
        from mlflow.entities import Metric, Param, RunTag

        every = {
            _key(name): value[:MAX_PARAMETER] for name, value in run_values.parameters(run).items()
        }
        parameters = {name: v for name, v in every.items() if name not in self._parameters}
        wanted = self._changes(every) | self._tags_of(run)
        tags = {name: value for name, value in wanted.items() if self._tags.get(name) != value}
        metrics = {at: each for at, each in metrics.items() if at not in self._metrics}
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, *each, step) for (name, step), each in metrics.items()],
            params=[Param(*each) for each in parameters.items()],
            tags=[RunTag(*each) for each in tags.items()],
        )
        self._parameters |= parameters
        self._tags |= tags
        self._metrics |= {at: value for at, (value, _) in metrics.items()}

    def _changes(self, parameters: dict[str, str]) -> dict[str, str]:
        """Return tags for what changed since an earlier session, as MLflow keeps parameters."""
        changed = {
            f"now.{name}": value
            for name, value in parameters.items()
            if self._parameters.get(name, value) != value or f"now.{name}" in self._tags
        }
        return changed | ({"error": ""} if "error" in self._tags else {})

    def _tags_of(self, run: RunSummary) -> dict[str, str]:
        tags = run_values.tags(run)
        theirs = {new: tags[name] for name, new in _TAGS_OF_MLFLOW.items() if name in tags}
        # Those of the config take precedence.
        every = tags | theirs | self.settings["tags"]
        return {_key(name): run_values.as_text(value)[:MAX_TAG] for name, value in every.items()}

    def _end(self, run_id: str, run: RunSummary) -> None:
        ended = run_values.milliseconds(run.metadata.completed) or None
        # First, because files can be large and the time for them is short.
        self._client.set_terminated(run_id, status=_STATUS[run.status], end_time=ended)
        if self.settings["log_artifacts"]:
            for file, folder in artifacts(run):
                self._client.log_artifact(run_id, str(file), folder)


def artifacts(run: RunSummary) -> Iterator[tuple[Path, str | None]]:
    """Yield the files of a run that MLflow keeps, the largest last, with the folder of each."""
    paths = run.paths
    named = [
        *(paths.metadata, paths.coverage, paths.feature_metadata, paths.error),
        *(paths.config, paths.original_config, paths.applied_overrides),
        *(paths.metrics, paths.test_predictions, paths.best),
    ]
    root = paths.root.resolve()
    for file in (path.resolve() for path in named):
        # A link can lead out of the run, to what is not ours to send.
        if file.is_file() and file.is_relative_to(root):
            folder = file.parent.relative_to(root).as_posix()
            yield file, None if folder == "." else folder


def _connect(place: Place, experiment: str) -> tuple[Any, str]:
    """Return MLflow's client and the id of the experiment."""
    from mlflow import MlflowClient

    lock: AbstractContextManager[object] = nullcontext()
    artifact_location = None  # a server decides by itself
    if place.database is not None:
        # MLflow's own error for a missing one does not name it.
        import_module("sqlalchemy")
        import_module("alembic")
        folder = place.database.parent
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{place.database.name}.lock", timeout=_LOCK_SECONDS)
        artifact_location = (folder / "artifacts").as_uri()
    with lock:
        client = MlflowClient(tracking_uri=place.uri)
        found = client.get_experiment_by_name(experiment)
        if found is not None:
            return client, str(found.experiment_id)
        made = client.create_experiment(experiment, artifact_location=artifact_location)
        return client, str(made)


def _with_keys(metrics: Metrics) -> Metrics:
    return {(_key(name), epoch): value for (name, epoch), value in metrics.items()}


def _key(name: str) -> str:
    """Return `name` in the letters that MLflow allows in a key."""
    parts = [part for part in _NOT_IN_KEYS.sub("_", name).split("/") if part.strip(". ")]
    return "/".join(parts)[:MAX_KEY] or "_"
