"""MLflow's own client: the only place that imports it, and only in the tracker's process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from topoqa_train.runs import lock
from topoqa_train.tracking.entries import Entries, Measured
from topoqa_train.tracking.uri import TrackingPlace

# MLflow's limits for one call.
_MOST_METRICS, _MOST_OTHERS = 1000, 100
# Two trackers that make the tables of one new database at once would break them.
_LOCK_SECONDS = 60.0
_NOT_THERE = "RESOURCE_DOES_NOT_EXIST"


class MLflowStore:
    """Runs of one experiment in one store.

    Every method may raise what MLflow, a database or a network can; nothing is kept here that
    could not be asked for anew.
    """

    def __init__(self, place: TrackingPlace, experiment: str) -> None:
        """Connect; make database, tables and experiment where there are none.

        Raises:
            ImportError: MLflow, or what it needs for this store, is not installed.
        """
        from mlflow import MlflowClient

        if place.database is not None:
            # What MLflow says without them leads nowhere.
            import_module("sqlalchemy")
            import_module("alembic")
        with _making(place):
            self._client: Any = MlflowClient(tracking_uri=place.uri)
            self._experiment = self._experiment_id(experiment, place)

    def create(self, name: str, began: int) -> str:
        """Begin a run called `name` at `began` (milliseconds since 1970); its id."""
        run = self._client.create_run(self._experiment, start_time=began, run_name=name)
        return str(run.info.run_id)

    def entries(self, run_id: str) -> Entries | None:
        """What a run has; None where there is no such run, or where it was deleted."""
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != _NOT_THERE:
                raise
            return None
        if run.info.lifecycle_stage != "active":
            return None
        metrics = [
            Measured(name, each.step, each.value, each.timestamp)
            for name in run.data.metrics
            for each in self._client.get_metric_history(run_id, name)
        ]
        return Entries(
            dict(run.data.params),
            dict(run.data.tags),
            {(metric.name, metric.epoch): metric for metric in metrics},
        )

    def send(self, run_id: str, entries: Entries) -> None:
        """Add to a run."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [
            Metric(each.name, each.value, each.milliseconds, each.epoch)
            for each in entries.metrics.values()
        ]
        for some in _parts(entries.parameters, _MOST_OTHERS):
            self._client.log_batch(run_id, params=[Param(*each) for each in some.items()])
        for some in _parts(entries.tags, _MOST_OTHERS):
            self._client.log_batch(run_id, tags=[RunTag(*each) for each in some.items()])
        for start in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(run_id, metrics=metrics[start : start + _MOST_METRICS])

    def go_on(self, run_id: str) -> None:
        """Say that a run is running."""
        self._client.update_run(run_id, status="RUNNING")

    def end(self, run_id: str, status: str, ended: int | None) -> None:
        """Say how and when (milliseconds since 1970; None: now) a run ended."""
        self._client.set_terminated(run_id, status=status, end_time=ended)

    def upload(self, run_id: str, file: Path, folder: str | None) -> None:
        """Keep a file with a run, in `folder` there."""
        self._client.log_artifact(run_id, str(file), folder)

    def _experiment_id(self, name: str, place: TrackingPlace) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        location = None if place.artifacts is None else place.artifacts.as_uri()
        return str(self._client.create_experiment(name, artifact_location=location))


def _making(place: TrackingPlace) -> AbstractContextManager[None]:
    if place.database is None:
        return nullcontext()
    folder = place.database.parent
    folder.mkdir(parents=True, exist_ok=True)
    return lock.alone(folder / f".{place.database.name}.lock", _LOCK_SECONDS)


def _parts(entries: Mapping[str, str], size: int) -> Iterator[dict[str, str]]:
    items = iter(entries.items())
    while part := dict(islice(items, size)):
        yield part
