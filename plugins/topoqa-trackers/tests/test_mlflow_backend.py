"""MLflow itself, on a database of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from topoqa_trackers import mlflow_backend
from topoqa_trackers.mlflow_backend import MAX_KEY, MAX_PARAMETER, MAX_TAG, MLflowBackend
from topoqa_trackers.supervisor import Task
from topoqa_train import api

SETTINGS = {
    "tracking_uri": "./ml runs",
    "experiment": "experiment",
    "run_name": None,
    "log_artifacts": True,
    "tags": {},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an old file store. Creating tables takes seconds, so all tests share them."""
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "ml runs" / "0").mkdir(parents=True)
    (folder / "ml runs" / "0" / "meta.yaml").write_text("artifact_location: x\n")
    return folder


@pytest.fixture
def client(folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder / 'ml runs' / 'mlflow.db'}")


class Sessions:
    """The trackers of one run directory, one after another."""

    def __init__(self, run: Any, folder: Path, client: MlflowClient) -> None:
        self.run = run
        self.folder = folder
        self.client = client

    def connect(self, **settings: Any) -> MLflowBackend:
        task = Task(
            tracker="mlflow",
            run_dir=self.run.root,
            folder=self.folder,
            settings={**SETTINGS, **settings},
            grace_seconds=30,
        )
        path = self.run.root / "mlflow.json"
        record = mlflow_backend.open_record(task, path)
        return MLflowBackend(task, record, lambda: record.write(path))

    def track(self, **settings: Any) -> Run:
        """Send the run as it is now in a new session, and return what MLflow has."""
        return self.send(self.connect(**settings))

    def send(self, backend: MLflowBackend) -> Run:
        run = api.read_run(self.run.root)
        backend.update(run, ended=run.status not in ("created", "running"))
        return self.client.get_run(self.run.record["run_id"])

    def history(self, name: str = "val_loss") -> list[tuple[int, float]]:
        found = self.client.get_metric_history(self.run.record["run_id"], name)
        return [(each.step, each.value) for each in found]


@pytest.fixture
def sessions(run, folder: Path, client: MlflowClient) -> Sessions:
    return Sessions(run, folder, client)


def test_a_run_is_sent_as_it_grows_every_value_once(sessions: Sessions) -> None:
    values = [(epoch, 0.5 - epoch / 10) for epoch in range(4)]
    sessions.run.write_rows(2)
    backend = sessions.connect()
    info = sessions.send(backend).info
    assert (info.run_name, info.status, info.start_time) == ("r", "RUNNING", 1769860800000)
    assert sessions.history() == values[:2]
    sessions.run.write_rows(4)
    sessions.send(backend)
    sessions.run.complete()
    info = sessions.send(backend).info
    assert (info.status, info.end_time) == ("FINISHED", 1769864400000)
    assert sessions.history() == values


@pytest.mark.parametrize(("status", "word"), [("failed", "FAILED"), ("interrupted", "KILLED")])
def test_how_a_run_ended(sessions: Sessions, status: str, word: str) -> None:
    sessions.run.change(status=status)
    assert sessions.track().info.status == word


def test_a_resumed_run_continues_the_same_run_of_mlflow(sessions: Sessions) -> None:
    sessions.run.write_rows(2)
    sessions.run.change(
        status="interrupted",
        error={"message": "stopped"},
        training_parameters={"num_epochs": 2, "seed": 1},
    )
    first = sessions.track()
    sessions.run.write_rows(4)
    sessions.run.change(
        status="completed", error=None, training_parameters={"num_epochs": 4, "seed": 1}
    )
    sessions.folder = sessions.folder / "elsewhere"
    second = sessions.track()
    assert (first.info.run_id, "FINISHED") == (second.info.run_id, second.info.status)
    assert sessions.history() == [(epoch, 0.5 - epoch / 10) for epoch in range(4)]
    assert not sessions.folder.exists()
    # MLflow keeps the first value of a parameter.
    assert second.data.params["num_epochs"] == "2"
    assert (second.data.tags["now.num_epochs"], second.data.tags["error"]) == ("4", "")
    assert "now.seed" not in second.data.tags
    sessions.run.change(training_parameters={"num_epochs": 2, "seed": 1})
    assert sessions.track().data.tags["now.num_epochs"] == "2"


@pytest.mark.parametrize("same_session", [True, False])
@pytest.mark.parametrize("change", ["other values", "fewer epochs"])
def test_a_run_that_went_back_continues_as_another(
    sessions: Sessions, change: str, same_session: bool
) -> None:
    sessions.run.write_rows(3, mine=1.0)
    backend = sessions.connect()
    first = sessions.send(backend).info.run_id
    rows, value = (3, 2.0) if change == "other values" else (2, 1.0)
    sessions.run.write_rows(rows, mine=value)
    second = sessions.send(backend if same_session else sessions.connect()).info.run_id
    assert second != first
    assert len(sessions.history()) == rows
    old = sessions.client.get_run(first)
    assert (old.info.status, old.data.tags["status"]) == ("KILLED", "superseded")


def test_test_metrics_of_an_earlier_end_do_not_count_as_other_values(sessions: Sessions) -> None:
    sessions.run.write_rows(2)
    sessions.run.change(status="completed", test={"loss": 0.5})
    first = sessions.track()
    sessions.run.write_rows(4)
    assert sessions.track().info.run_id == first.info.run_id
    assert sessions.history("test_loss") == [(1, 0.5), (3, 0.5)]


@pytest.mark.parametrize("change", [{"tracking_uri": "sqlite:///other.db"}, {"experiment": "2"}])
def test_a_run_tracked_elsewhere_is_another_run_of_mlflow(
    sessions: Sessions, change: dict[str, str]
) -> None:
    first = sessions.track().info.run_id
    backend = sessions.connect(**change)
    backend.update(api.read_run(sessions.run.root), ended=False)
    assert sessions.run.record["run_id"] != first


def test_a_run_that_mlflow_lost_is_sent_again(sessions: Sessions) -> None:
    first = sessions.track().info.run_id
    sessions.client.delete_run(first)
    assert sessions.track().info.run_id != first
    record = {**sessions.run.record, "run_id": "0" * 32}
    (sessions.run.root / "mlflow.json").write_text(json.dumps(record))
    sessions.track()
    assert sessions.run.record["run_id"] != "0" * 32
    assert len(sessions.history()) == 4


@pytest.mark.parametrize("how", ["copied", "moved"])
def test_a_copy_of_a_run_is_another_run_and_a_moved_one_is_the_same(
    sessions: Sessions, how: str
) -> None:
    first, old = sessions.track(), sessions.run.root
    new = old.parent / how
    shutil.copytree(old, new, symlinks=True) if how == "copied" else old.rename(new)
    sessions.run.root = new
    second = sessions.track()
    assert (second.info.run_id == first.info.run_id) is (how == "moved")
    assert second.data.tags["run_dir"] == str(new)


def test_names_and_lengths_that_mlflow_refuses(sessions: Sessions) -> None:
    sessions.run.write_rows(1, **{"odd (%)": 1.0})
    sessions.run.change(
        notes="n" * 9000,
        job="first",
        training_parameters={"a b%": "x" * 9000, **{f"p{n}": n for n in range(150)}},
        command=["topoqa-train", "-o", "mlflow.tracking_uri=http://me:word@host"],
        git={"commit": "abc"},
    )
    tags = {"job": "mine", "größe/../x": 3, "": True, "a" * 300: "ssh://git@host"}
    found = sessions.track(tags={**tags, **{f"t{n}": n for n in range(150)}}).data
    assert found.params["a b_"] == "x" * MAX_PARAMETER
    assert found.params["p149"] == "149"
    assert found.metrics["odd ___"] == 1.0
    assert (found.tags["job"], found.tags["gr__e/x"], found.tags["_"]) == ("mine", "3", "true")
    assert found.tags["t149"] == "149"
    assert found.tags["a" * MAX_KEY] == "ssh://git@host"
    assert len(found.tags["mlflow.note.content"]) == MAX_TAG
    assert found.tags["mlflow.source.git.commit"] == "abc"
    assert found.tags["mlflow.source.name"].endswith("tracking_uri=http://host")


def test_a_long_run_is_sent_whole(sessions: Sessions) -> None:
    sessions.run.write_rows(1500)
    sessions.track()
    assert len(sessions.history()) == 1500


def test_the_files_of_a_run_are_kept_beside_the_database(sessions: Sessions, folder: Path) -> None:
    (sessions.run.root / "dataset_coverage.json").write_text("{}")
    sessions.run.complete()
    run = sessions.track()
    best = (sessions.run.root / "model_checkpoints" / "best.ckpt").resolve().name
    names = [
        *("run_metadata.json", "dataset_coverage.json", "config/config.yaml"),
        *("metrics/metrics.csv", f"model_checkpoints/{best}"),
    ]
    kept = folder / "ml runs" / "artifacts" / run.info.run_id / "artifacts"
    found = {file.relative_to(kept).as_posix() for file in kept.rglob("*") if file.is_file()}
    assert found == set(names)
    # The largest last.
    files = mlflow_backend.artifacts(api.read_run(sessions.run.root))
    assert [file.relative_to(sessions.run.root).as_posix() for file, _ in files] == names


def test_without_artifacts_no_file_is_sent_and_the_name_can_be_set(sessions: Sessions) -> None:
    sessions.run.complete()
    run = sessions.track(log_artifacts=False, run_name="mine")
    assert sessions.client.list_artifacts(run.info.run_id) == []
    assert run.info.run_name == "mine"


def test_a_link_out_of_the_run_is_not_followed(sessions: Sessions, tmp_path: Path) -> None:
    best = sessions.run.root / "model_checkpoints" / "best.ckpt"
    best.unlink()
    (tmp_path / "secret").write_text("x")
    best.symlink_to(tmp_path / "secret")
    files = mlflow_backend.artifacts(api.read_run(sessions.run.root))
    assert not any(file.name == "secret" for file, _ in files)


def test_a_password_is_not_recorded(sessions: Sessions) -> None:
    task = Task(
        tracker="mlflow",
        run_dir=sessions.run.root,
        folder=sessions.folder,
        settings={**SETTINGS, "tracking_uri": "http://me:word@host"},
        grace_seconds=30,
    )
    record = mlflow_backend.open_record(task, sessions.run.root / "mlflow.json")
    assert (record.tracking_uri, record.store) == ("http://host", "http://host")


def test_an_old_file_store_is_left_alone(sessions: Sessions, folder: Path) -> None:
    sessions.track()
    (old,) = (folder / "ml runs" / "0").iterdir()
    assert old.read_text() == "artifact_location: x\n"


CONNECT = """
import sys
from pathlib import Path
from topoqa_trackers.mlflow_backend import _connect
from topoqa_trackers.uri import place_of
import mlflow
print("ready", flush=True)
sys.stdin.readline()
client, experiment = _connect(place_of("mlruns", Path(sys.argv[1])), "experiment")
print(client.create_run(experiment).info.run_id, experiment)
"""


def test_two_trackers_create_one_database(tmp_path: Path) -> None:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    command = [sys.executable, "-c", CONNECT, str(tmp_path)]
    both = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    done = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], done
    (one, first), (two, second) = (out.split() for out, _ in done)
    assert one != two
    assert first == second
