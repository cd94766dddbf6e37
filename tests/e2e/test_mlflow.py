"""Tracking by the real executable and a real MLflow: right, and never in the way."""

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
from mlflow_runs import artifacts, figures_of, runs_in
from projects import EXECUTABLE, environment

PATIENCE_SECONDS = 300
ON = ("-o", "mlflow.enabled=true")
ENDLESS = ("-o", "trainer.num_epochs=100000", "-o", "early_stopping.patience=100000")
# A machine that is busy with other tests must not run out of the time for the last of a run.
UNHURRIED = {"TOPOQA_TRAIN_MLFLOW_SECONDS": "300"}


def numbers(run: Path) -> list[dict[str, str]]:
    with (run / "metrics" / "metrics.csv").open() as file:
        return [
            {k: v for k, v in row.items() if k != "epoch_seconds"} for row in csv.DictReader(file)
        ]


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


def wait_for(condition: Callable[[], Any]) -> None:
    """Poll until `condition` holds; the time bounds a hang and judges nothing."""
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
    """Start a run called `r` in `tmp_path` that goes on until it is stopped."""
    started = []

    def begin(config: Path, *more: object, **changes: str) -> subprocess.Popen[str]:
        command = ["run", "-c", config, "--run-name", "r", "--output-root", tmp_path, *ON, *ENDLESS]
        process = subprocess.Popen(
            [EXECUTABLE, *map(str, (*command, *more))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(**{**UNHURRIED, **changes}),
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
    """A tracked run and MLflow's database, in the working directory."""
    folder = tmp_path_factory.mktemp("tracked")
    done = cli(
        "run", "-c", base_project.config, "--run-name", "r", "--output-root", folder / "runs", *ON,
        "-o", "mlflow.tags={owner: me}", "--notes", "a note", "--trial-label", "t1",
        cwd=folder, **UNHURRIED,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "mlflow" not in done.err
    return folder / "runs" / "r", folder / "mlruns" / "mlflow.db"


def test_mlflow_has_every_figure_of_the_run_once(tracked):
    run, database = tracked
    (kept,) = runs_in(database)
    assert kept.of_epochs == figures_of(run / "metrics" / "metrics.csv")
    test = {name.removeprefix("test_"): values for (name, _), values in kept.figures.items()}
    assert {name: test[name] for name in metadata(run)["test"]} == {
        name: [value] for name, value in metadata(run)["test"].items()
    }


def test_mlflow_knows_what_was_trained_how(tracked):
    run, database = tracked
    (kept,) = runs_in(database)
    assert (kept.name, kept.status) == ("r", "FINISHED")
    assert kept.run_id == record(run)["run_id"]
    assert kept.parameters["learning_rate"] == "0.01"
    assert kept.parameters["scheduler.patience"] == "1"
    assert kept.parameters["data.graphs.train"] == "42"
    best = metadata(run)["checkpoints"]["ranking"][0]
    assert (
        kept.tags.items()
        >= {
            "status": "completed",
            "run_name": "r",
            "notes": "a note",
            "trial_label": "t1",
            "owner": "me",
            "best_checkpoint": best["path"],
            "run_dir": str(run),
        }.items()
    )


def test_mlflow_keeps_the_files_of_the_run(tracked):
    run, database = tracked
    (kept,) = runs_in(database)
    best = (run / "model_checkpoints" / "best.ckpt").resolve()
    assert artifacts(database, kept.run_id) == {
        name: (run / name).read_bytes()
        for name in (
            "config/config.yaml",
            "config/original_config.yaml",
            "config/applied_overrides.yaml",
            "run_metadata.json",
            "feature_metadata.json",
            "dataset_coverage.json",
            "metrics/metrics.csv",
            "metrics/test_predictions.csv",
            f"model_checkpoints/{best.name}",
        )
    }


def test_a_tracked_run_has_the_numbers_of_one_that_is_not(tracked, trained):
    run, _ = tracked
    assert numbers(run) == numbers(trained.run("first"))
    for link in ("best.ckpt", "second_best.ckpt", "third_best.ckpt", "last.ckpt"):
        assert weights(run, link) == weights(trained.run("first"), link)


def test_a_run_that_was_stopped_goes_on_in_the_same_run_of_mlflow(
    start, cli, base_project, tmp_path
):
    process, run = start(base_project.config), tmp_path / "r"
    wait_for(lambda: record(run).get("epochs", 0) >= 2 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    # From a terminal a Ctrl-C goes to us alone; the tracker ends by itself.
    wait_for(lambda: record(run)["state"] == "done")
    (kept,) = runs_in(tmp_path / "mlruns" / "mlflow.db")
    assert (kept.status, kept.tags["status"]) == ("KILLED", "interrupted")
    assert kept.of_epochs == figures_of(run / "metrics" / "metrics.csv")

    (tmp_path / "elsewhere").mkdir()
    epochs = len(numbers(run)) + 2
    done = cli(
        "resume", "--run-dir", run, "-o", f"trainer.num_epochs={epochs}",
        cwd=tmp_path / "elsewhere", **UNHURRIED,
    )  # fmt: skip
    assert done.status == 0, done.err
    (again,) = runs_in(tmp_path / "mlruns" / "mlflow.db")
    assert (again.run_id, again.status) == (kept.run_id, "FINISHED")
    assert len({epoch for _, epoch in again.of_epochs}) == epochs
    assert again.of_epochs == figures_of(run / "metrics" / "metrics.csv")
    assert not (tmp_path / "elsewhere" / "mlruns").exists()


def test_a_run_that_is_killed_with_all_that_belongs_to_it_is_marked(start, base_project, tmp_path):
    process, run = start(base_project.config), tmp_path / "r"
    wait_for(lambda: record(run).get("epochs", 0) >= 1 or process.poll() is not None)
    child = metadata(run)["process"]["pid"]
    for pid in (process.pid, child):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    tracker = record(run)["pid"]
    wait_for(lambda: gone(tracker))
    assert record(run)["state"] == "done"
    (kept,) = runs_in(tmp_path / "mlruns" / "mlflow.db")
    assert (kept.status, kept.tags["status"]) == ("KILLED", "interrupted")


def test_a_server_that_never_answers_holds_nothing_up(start, base_project, tmp_path):
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
            before = len(numbers(run))
            wait_for(lambda: len(numbers(run)) > before + 2)
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
    ("module", "seconds", "said"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'mlflow'\", name='mlflow')",
            300,
            "mlflow: No module named 'mlflow': pip install topoqa-trackers",
        ),
        (
            "import os; os.abort()",
            300,
            "mlflow: the tracker ended (SIGABRT); see mlflow.log",
        ),
        (
            "import time; time.sleep(3600)",
            1,
            "mlflow: the tracker did not finish; gave up 1 s after the run, epochs sent: 0",
        ),
    ],
    ids=["missing", "crashing", "hanging"],
)
def test_an_mlflow_that_fails_costs_the_run_nothing(
    cli, trained, base_project, tmp_path, module, seconds, said
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
    assert done.err.count("mlflow") == said.count("mlflow"), done.err
    assert said in done.err
    assert [text for text in metadata(run)["warnings"] if "mlflow" in text] == [said]
    assert metadata(run)["status"] == "completed"
    assert numbers(run) == numbers(trained.run("first"))
    assert weights(run, "last.ckpt") == weights(trained.run("first"), "last.ckpt")
    tracker = record(run).get("pid")
    assert tracker is None or gone(tracker)
