"""Tracking with the real executable and a real MLflow: complete, and never in the way."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from projects import EXECUTABLE, environment

# Before MLflow is imported: it would report home.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient

PATIENCE_SECONDS = 300
ON = ("-o", "mlflow.enabled=true")
ENDLESS = ("-o", "trainer.num_epochs=100000", "-o", "early_stopping.patience=100000")
# On a machine that is busy with other tests, a tracker must not run out of time.
PATIENT = {"TOPOQA_TRAIN_MLFLOW_SECONDS": "300"}
# Name and epoch, to every value that is there.
Values = dict[tuple[str, int], list[float]]


def table(run: Path) -> list[dict[str, str]]:
    with (run / "metrics" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def without_times(run: Path) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if k != "epoch_seconds"} for row in table(run)]


def values_of(run: Path) -> Values:
    """Return what MLflow should have of metrics.csv."""
    return {
        (name, int(row["epoch"])): [float(value)]
        for row in table(run)
        for name, value in row.items()
        if name != "epoch" and value
    }


def weights(run: Path, link: str) -> str:
    state = torch.load(run / "model_checkpoints" / link, weights_only=True)["state_dict"]
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + state[name].numpy().tobytes())
    return digest.hexdigest()


def metadata(run: Path) -> dict[str, Any]:
    return json.loads((run / "run_metadata.json").read_text())


def record(run: Path) -> dict[str, Any]:
    file = run / "mlflow.json"
    return json.loads(file.read_text()) if file.exists() else {}


class Stored:
    """The one run that is in the database of MLflow in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
        experiment = self.client.get_experiment_by_name("dynamic_topoqa")
        assert experiment is not None
        (self.run,) = self.client.search_runs([experiment.experiment_id])

    @property
    def id(self) -> str:
        return self.run.info.run_id

    @property
    def status(self) -> tuple[str, str]:
        return self.run.info.status, self.run.data.tags["status"]

    def values(self, *, test: bool = False) -> Values:
        found: Values = {}
        for name in self.run.data.metrics:
            if name.startswith("test_") is test:
                for each in self.client.get_metric_history(self.id, name):
                    found.setdefault((name, each.step), []).append(each.value)
        return found

    def files(self) -> dict[str, bytes]:
        folder = self.folder / "artifacts" / self.id / "artifacts"
        files = [file for file in folder.rglob("*") if file.is_file()]
        return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def wait_for(condition: Callable[[], Any]) -> None:
    """Poll until `condition` holds; the time bounds a hang and measures nothing."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a run called `r` in `tmp_path` that trains until it is stopped."""
    started = []

    def begin(config: Path, *more: object, **changes: str) -> subprocess.Popen[str]:
        command = ["run", "-c", config, "--run-name", "r", "--output-root", tmp_path, *ON, *ENDLESS]
        process = subprocess.Popen(
            [EXECUTABLE, *map(str, (*command, *more))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(**{**PATIENT, **changes}),
            start_new_session=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def tracked(base_project, cli, tmp_path_factory):
    """A tracked run, and what MLflow has of it in the working directory."""
    folder = tmp_path_factory.mktemp("tracked")
    done = cli(
        "run", "-c", base_project.config, "--run-name", "r", "--output-root", folder / "runs", *ON,
        "-o", "mlflow.tags={owner: me}", "--notes", "a note", "--trial-label", "t1",
        cwd=folder, **PATIENT,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "mlflow" not in done.err
    return folder / "runs" / "r", Stored(folder / "mlruns")


def test_mlflow_has_every_value_of_the_run_once(tracked):
    run, stored = tracked
    assert stored.values() == values_of(run)
    test = {
        name.removeprefix("test_"): found for (name, _), found in stored.values(test=True).items()
    }
    assert test == {name: [value] for name, value in metadata(run)["test"].items()}


def test_mlflow_has_parameters_tags_and_status(tracked):
    run, stored = tracked
    assert (stored.run.info.run_name, stored.status) == ("r", ("FINISHED", "completed"))
    assert stored.id == record(run)["run_id"]
    expected = {"learning_rate": "0.01", "scheduler.patience": "1", "data.graphs.train": "42"}
    assert stored.run.data.params.items() >= expected.items()
    tags = {
        "run_name": "r",
        "notes": "a note",
        "trial_label": "t1",
        "owner": "me",
        "best_checkpoint": metadata(run)["checkpoints"]["ranking"][0]["path"],
        "run_dir": str(run),
    }
    assert stored.run.data.tags.items() >= tags.items()


def test_mlflow_keeps_the_files_of_the_run(tracked):
    run, stored = tracked
    best = (run / "model_checkpoints" / "best.ckpt").resolve()
    names = (
        *(f"config/{name}.yaml" for name in ("config", "original_config", "applied_overrides")),
        *("run_metadata.json", "feature_metadata.json", "dataset_coverage.json"),
        *("metrics/metrics.csv", "metrics/test_predictions.csv", f"model_checkpoints/{best.name}"),
    )
    assert stored.files() == {name: (run / name).read_bytes() for name in names}


def test_a_tracked_run_has_the_numbers_of_one_that_is_not(tracked, trained):
    run, _ = tracked
    assert without_times(run) == without_times(trained.run("first"))
    for link in ("best.ckpt", "second_best.ckpt", "third_best.ckpt", "last.ckpt"):
        assert weights(run, link) == weights(trained.run("first"), link)


def test_a_resumed_run_continues_the_same_run_of_mlflow(start, cli, base_project, tmp_path):
    process, run = start(base_project.config), tmp_path / "r"
    wait_for(lambda: record(run).get("epochs", 0) >= 2 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    # Ctrl-C in a terminal does not reach the tracker, which ends by itself.
    wait_for(lambda: record(run)["state"] == "done")
    before = Stored(tmp_path / "mlruns")
    assert before.status == ("KILLED", "interrupted")
    assert before.values() == values_of(run)

    (tmp_path / "elsewhere").mkdir()
    epochs = len(table(run)) + 2
    done = cli(
        "resume", "--run-dir", run, "-o", f"trainer.num_epochs={epochs}",
        cwd=tmp_path / "elsewhere", **PATIENT,
    )  # fmt: skip
    assert done.status == 0, done.err
    after = Stored(tmp_path / "mlruns")
    assert (after.id, after.status) == (before.id, ("FINISHED", "completed"))
    assert len({epoch for _, epoch in after.values()}) == epochs
    assert after.values() == values_of(run)
    assert not (tmp_path / "elsewhere" / "mlruns").exists()


def test_a_run_whose_processes_are_all_killed_is_marked(start, base_project, tmp_path):
    process, run = start(base_project.config), tmp_path / "r"
    wait_for(lambda: record(run).get("epochs", 0) >= 1 or process.poll() is not None)
    child = metadata(run)["process"]["pid"]
    for pid in (process.pid, child):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    tracker = record(run)["pid"]
    wait_for(lambda: gone(tracker))
    assert record(run)["state"] == "done"
    assert Stored(tmp_path / "mlruns").status == ("KILLED", "interrupted")


def test_a_server_that_never_answers_delays_nothing(start, base_project, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_SECONDS)
        uri = f"http://me:word@127.0.0.1:{server.getsockname()[1]}"
        process = start(
            base_project.config, "-o", f"mlflow.tracking_uri={uri}",
            MLFLOW_HTTP_REQUEST_TIMEOUT="3600", TOPOQA_TRAIN_MLFLOW_SECONDS="1",
        )  # fmt: skip
        held, _ = server.accept()
        with held:
            run = tmp_path / "r"
            before = len(table(run))
            wait_for(lambda: len(table(run)) > before + 2)
            assert process.poll() is None
            tracker = record(run)["pid"]
            assert not gone(tracker)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate()
            assert process.returncode == 130, err
            assert metadata(run)["status"] == "interrupted"
            wait_for(lambda: gone(tracker))
    assert "word" not in (run / "mlflow.log").read_text() + (run / "mlflow.json").read_text()


@pytest.mark.parametrize(
    ("module", "seconds", "problem"),
    [
        ("import os; os.abort()", 300, "mlflow: the tracker ended (SIGABRT); see mlflow.log"),
        (
            "import time; time.sleep(3600)",
            1,
            "mlflow: the tracker did not finish; gave up 1 s after the run, epochs sent: 0",
        ),
    ],
    ids=["crashing", "hanging"],
)
def test_an_mlflow_that_fails_costs_the_run_nothing(
    cli, trained, base_project, tmp_path, module, seconds, problem
):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "mlflow.py").write_text(module)
    path = [str(tmp_path / "broken"), os.environ.get("PYTHONPATH")]
    done = cli(
        "run", "-c", base_project.config, "--run-name", "r", "--output-root", tmp_path, *ON,
        cwd=tmp_path, PYTHONPATH=os.pathsep.join(filter(None, path)),
        TOPOQA_TRAIN_MLFLOW_SECONDS=str(seconds),
    )  # fmt: skip
    run = tmp_path / "r"
    assert done.status == 0, done.err
    assert done.err.count(problem) == 1
    assert [text for text in metadata(run)["warnings"] if "mlflow" in text] == [problem]
    assert metadata(run)["status"] == "completed"
    assert without_times(run) == without_times(trained.run("first"))
    assert weights(run, "last.ckpt") == weights(trained.run("first"), "last.ckpt")
    tracker = record(run).get("pid")
    assert tracker is None or gone(tracker)
