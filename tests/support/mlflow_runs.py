"""Runs of MLflow read back by MLflow's own client."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

# Before the import: it would report home.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient

Figures = dict[tuple[str, int], list[float]]


@dataclass(frozen=True)
class MLflowRun:
    """What MLflow has of a run; `figures` are all values of a metric at a step."""

    run_id: str
    name: str
    status: str
    parameters: dict[str, str]
    tags: dict[str, str]
    figures: Figures

    @property
    def of_epochs(self) -> Figures:
        return {at: values for at, values in self.figures.items() if not at[0].startswith("test_")}


def runs_in(database: Path, experiment: str = "dynamic_topoqa") -> list[MLflowRun]:
    """The runs of an experiment, the oldest first."""
    client = MlflowClient(f"sqlite:///{database}")
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return []
    runs = client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])
    return [_read(client, run) for run in runs]


def artifacts(database: Path, run_id: str) -> dict[str, bytes]:
    """Name to content of every file that MLflow keeps with a run."""
    client = MlflowClient(f"sqlite:///{database}")
    pending, found = [""], dict[str, bytes]()
    while pending:
        for each in client.list_artifacts(run_id, pending.pop() or None):
            if each.is_dir:
                pending.append(each.path)
            else:
                found[each.path] = Path(client.download_artifacts(run_id, each.path)).read_bytes()
    return found


def figures_of(metrics: Path) -> Figures:
    """What MLflow should have of a metrics.csv."""
    with metrics.open(newline="") as file:
        return {
            (name, int(row["epoch"])): [float(value)]
            for row in csv.DictReader(file)
            for name, value in row.items()
            if name != "epoch" and value
        }


def _read(client: MlflowClient, run) -> MLflowRun:
    figures: Figures = {}
    for name in run.data.metrics:
        for each in client.get_metric_history(run.info.run_id, name):
            figures.setdefault((name, each.step), []).append(each.value)
    return MLflowRun(
        run.info.run_id,
        run.info.run_name,
        run.info.status,
        dict(run.data.params),
        dict(run.data.tags),
        figures,
    )
