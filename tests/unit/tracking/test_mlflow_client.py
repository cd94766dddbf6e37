"""MLflow itself, on a database of its own."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow_runs import MlflowClient

from topoqa_train.tracking.entries import Entries, Measured
from topoqa_train.tracking.mlflow_client import MLflowStore
from topoqa_train.tracking.uri import TrackingPlace, place_of

CREATED = 1_769_860_800_000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> TrackingPlace:
    """A folder with an old file store in it. Making tables takes seconds: all tests share them."""
    folder = tmp_path_factory.mktemp("mlflow")
    (folder / "ml runs" / "0").mkdir(parents=True)
    (folder / "ml runs" / "0" / "meta.yaml").write_text("artifact_location: x\n")
    return place_of("./ml runs", folder)


@pytest.fixture(scope="module")
def store(place: TrackingPlace) -> MLflowStore:
    return MLflowStore(place, "experiment")


@pytest.fixture(scope="module")
def client(place: TrackingPlace, store: MLflowStore) -> MlflowClient:
    return MlflowClient(place.uri)


def measured(*metrics: Measured) -> Entries:
    return Entries(metrics={(metric.name, metric.epoch): metric for metric in metrics})


def test_what_is_sent_is_there(store: MLflowStore) -> None:
    run = store.create("r", CREATED)
    value = 0.1 + 0.2 / 3
    sent = Entries({"a b": "1"}, {"x/y": "ä", "mlflow.note.content": "note"})
    sent.add(measured(Measured("val_loss", 0, value, CREATED), Measured("val_loss", 1, -1e-9, 1)))
    store.send(run, sent)
    found = store.entries(run)
    assert found is not None
    assert found.metrics == sent.metrics
    assert found.parameters == sent.parameters
    assert found.tags.items() >= sent.tags.items()
    assert not found.lacking(sent)


def test_what_is_sent_twice_is_there_once(store: MLflowStore, client: MlflowClient) -> None:
    run = store.create("r", CREATED)
    for epochs in (range(2), range(3)):
        store.send(run, measured(*(Measured("val_loss", n, n / 7, n) for n in epochs)))
    history = client.get_metric_history(run, "val_loss")
    assert [(each.step, each.value) for each in history] == [(n, n / 7) for n in range(3)]


def test_there_is_no_limit_to_how_much_is_sent(store: MLflowStore) -> None:
    run = store.create("r", CREATED)
    sent = Entries(
        {f"p{n}": "x" for n in range(150)},
        {f"t{n}": "x" for n in range(150)},
        measured(*(Measured("val_loss", n, math.sqrt(n), n) for n in range(1500))).metrics,
    )
    store.send(run, sent)
    found = store.entries(run)
    assert found is not None
    assert not found.lacking(sent)


def test_a_run_ends_and_goes_on(store: MLflowStore, client: MlflowClient) -> None:
    run = store.create("name of it", CREATED)
    info = client.get_run(run).info
    assert (info.run_name, info.status, info.start_time) == ("name of it", "RUNNING", CREATED)
    store.end(run, "FINISHED", CREATED + 5)
    info = client.get_run(run).info
    assert (info.status, info.end_time) == ("FINISHED", CREATED + 5)
    store.go_on(run)
    assert client.get_run(run).info.status == "RUNNING"


def test_files_lie_beside_the_database(
    store: MLflowStore, client: MlflowClient, place: TrackingPlace, tmp_path: Path
) -> None:
    run = store.create("r", CREATED)
    file = tmp_path / "a file.txt"
    file.write_text("content")
    store.upload(run, file, None)
    store.upload(run, file, "in a/folder")
    assert {each.path for each in client.list_artifacts(run)} == {"a file.txt", "in a"}
    kept = list(place.database.parent.rglob("a file.txt")) if place.database else []
    assert [each.read_text() for each in kept] == ["content"] * 2
    assert all(each.is_relative_to(place.artifacts or "") for each in kept)


def test_a_run_that_is_not_there_is_none(store: MLflowStore, client: MlflowClient) -> None:
    assert store.entries("0" * 32) is None
    run = store.create("r", CREATED)
    client.delete_run(run)
    assert store.entries(run) is None


def test_a_second_tracker_finds_what_the_first_made(
    store: MLflowStore, place: TrackingPlace, client: MlflowClient
) -> None:
    run = store.create("r", CREATED)
    assert MLflowStore(place, "experiment").entries(run) is not None
    names = [each.name for each in client.search_experiments()]
    assert sorted(names) == ["Default", "experiment"]


def test_an_old_file_store_is_left_alone(store: MLflowStore, place: TrackingPlace) -> None:
    assert place.database is not None
    (old,) = (place.database.parent / "0").iterdir()
    assert old.read_text() == "artifact_location: x\n"


CONNECT = """
import sys
from pathlib import Path
from topoqa_train.tracking.uri import place_of
from topoqa_train.tracking.mlflow_client import MLflowStore
import mlflow
print("ready", flush=True)
sys.stdin.readline()
store = MLflowStore(place_of("mlruns", Path(sys.argv[1])), "experiment")
print(store.create("r", 1), store._experiment)
"""


def test_two_trackers_make_one_database_between_them(tmp_path: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", CONNECT, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    done = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], done
    (one, first), (two, second) = (out.split() for out, _ in done)
    assert one != two
    assert first == second
