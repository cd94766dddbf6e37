from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train.tracking.uri import place_of, without_secret

HERE = Path("/home/me/project")


@pytest.mark.parametrize(
    ("tracking_uri", "database"),
    [
        ("./mlruns", "/home/me/project/mlruns/mlflow.db"),
        ("mlruns", "/home/me/project/mlruns/mlflow.db"),
        ("../shared runs", "/home/me/shared runs/mlflow.db"),
        ("/data/mlruns", "/data/mlruns/mlflow.db"),
        ("file:///data/ml%20runs", "/data/ml runs/mlflow.db"),
        ("file:mlruns", "/home/me/project/mlruns/mlflow.db"),
        ("sqlite:///runs.db", "/home/me/project/runs.db"),
        ("sqlite:////data/x/runs.db", "/data/x/runs.db"),
    ],
)
def test_a_folder_or_a_file_is_a_database_with_artifacts_beside_it(
    tracking_uri: str, database: str
) -> None:
    place = place_of(tracking_uri, HERE)
    assert place.database == Path(database)
    assert place.uri == f"sqlite:///{database}"
    assert place.artifacts == Path(database).parent / "artifacts"


def test_what_a_database_is_asked_for_stays_with_its_address() -> None:
    place = place_of("sqlite:///runs.db?timeout=9", HERE)
    assert place.uri == "sqlite:////home/me/project/runs.db?timeout=9"
    assert place.database == HERE / "runs.db"


def test_home_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/you")
    assert place_of("~/mlruns", HERE).database == Path("/home/you/mlruns/mlflow.db")


@pytest.mark.parametrize(
    "tracking_uri",
    [
        "http://localhost:5000",
        "https://me:word@mlflow.example.org/a",
        "postgresql://me:word@db/mlflow",
        "databricks",
        "databricks://profile",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_any_other_address_is_left_as_it_is(tracking_uri: str) -> None:
    place = place_of(tracking_uri, HERE)
    assert (place.uri, place.database, place.artifacts) == (tracking_uri, None, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:word@host/a", "https://host/a"),
        ("no answer from http://me:p@ss@host:80 (twice)", "no answer from http://host:80 (twice)"),
        ("http://host/a@b", "http://host/a@b"),
        ("./mlruns", "./mlruns"),
    ],
)
def test_a_password_is_not_shown(text: str, shown: str) -> None:
    assert without_secret(text) == shown
