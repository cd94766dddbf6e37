from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def call(typed: Any, run_files: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`topoqa-train runs` on the runs that the test writes."""
    monkeypatch.setenv("TOPOQA_TRAIN_RUNS", str(run_files.root))
    return lambda *arguments: typed("runs", *arguments)


@pytest.fixture
def root(run_files: Any) -> Path:
    """Two runs of long ago, a failed and a good one, and one that latest points at."""
    run_files("bad", status="failed", completed="2020-01-01T00:00:00+00:00")
    run_files("good", completed="2020-01-01T00:00:00+00:00")
    run_files("newest", completed="2020-01-02T00:00:00+00:00")
    (run_files.root / "latest").symlink_to("newest")
    return run_files.root


def test_clean_only_lists(call: Any, root: Path) -> None:
    status, out, err = call("clean", "--older-than", "30d")
    assert status == 0
    assert "bad" in out
    assert "newest is kept: it is what latest points at" in out
    assert "Nothing was deleted; add --yes to delete." in err
    assert (root / "bad").is_dir()


def test_clean_with_yes_deletes(call: Any, root: Path) -> None:
    status, out, err = call("clean", "--status", "failed", "--yes")
    assert status == 0
    assert "bad" in out
    assert "1 run deleted" in err
    assert {path.name for path in root.iterdir()} == {"good", "newest", "latest"}
    status, out, err = call("clean", "--status", "failed")
    assert (status, out.strip(), err) == (0, "", "nothing to delete\n")


@pytest.mark.parametrize("yes", [False, True])
def test_clean_as_json(call: Any, root: Path, yes: bool) -> None:
    status, out, _ = call("clean", "--older-than", "1h", "--json", *(["--yes"] if yes else []))
    document = json.loads(out)
    assert status == 0
    assert [run["run_id"] for run in document["delete"]] == ["bad", "good"]
    assert document["deleted"] == (["bad", "good"] if yes else None)
    assert (root / "good").is_dir() != yes


@pytest.mark.parametrize(
    "arguments",
    [
        ("clean",),
        ("clean", "nobody"),
        ("clean", "--older-than", "soon"),
        ("clean", "--status", "running"),
        ("clean", "--older-than", "1d", "--metric", "val_loss"),
        ("clean", "--keep-best", "0"),
        ("clean", "--yes"),
        ("archive", "newest"),
        ("archive", "--undo"),
        ("archive", "good", "--keep", "3"),
        ("archive", "--keep", "-1"),
    ],
)
def test_wrong_requests_change_nothing(call: Any, root: Path, arguments: tuple[str, ...]) -> None:
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert err
    assert {path.name for path in root.iterdir()} == {"bad", "good", "newest", "latest"}


def test_archive_and_back(call: Any, root: Path) -> None:
    status, out, err = call("archive", "good")
    assert (status, out, err) == (0, f"{root / 'history' / 'good'}\n", "")
    status, out, _ = call("archive", "--undo", "good", "--json")
    assert json.loads(out)["moved"] == [{"run_id": "good", "run_dir": str(root / "good")}]
    assert (root / "good").is_dir()


def test_archive_keeps_so_many(call: Any, root: Path) -> None:
    assert call("archive", "--keep", "5")[1] == "nothing to move\n"
    assert call("archive", "--keep", "0")[0] == 0
    assert {path.name for path in (root / "history").iterdir()} == {"bad", "good"}
