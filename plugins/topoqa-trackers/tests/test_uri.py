from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_trackers.uri import place_of, without_password

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
def test_a_folder_or_a_file_is_a_database(tracking_uri: str, database: str) -> None:
    assert place_of(tracking_uri, HERE) == (f"sqlite:///{database}", Path(database))


def test_options_of_a_database_stay_with_its_address() -> None:
    place = place_of("sqlite:///runs.db?timeout=9", HERE)
    assert place.uri == "sqlite:////home/me/project/runs.db?timeout=9"
    assert place.database == HERE / "runs.db"


def test_a_tilde_is_the_home_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert place_of(tracking_uri, HERE) == (tracking_uri, None)


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
    assert without_password(text) == shown
