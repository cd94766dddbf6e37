"""Older finished runs go to history/ by themselves, and everything still finds them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from projects import Project

Cli = Callable[..., Any]


@pytest.fixture
def copied(trained: Any, tmp_path: Path) -> Project:
    """The pipeline of the session, copied whole, to go on with."""
    shutil.copytree(trained.project.root, tmp_path / "p", symlinks=True)
    return Project(tmp_path / "p")


def metadata(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "run_metadata.json").read_text())
    return document


def start(cli: Cli, project: Project, name: str, *more: object, keep: object) -> Any:
    options = ("--run-name", name, "--fast-dev-run", "--output-root", project.runs, *more)
    return cli("run", "-c", project.config, *options, TOPOQA_TRAIN_KEEP_RUNS=str(keep))


def runs_in(folder: Path) -> dict[str, Path]:
    return {file.parent.name: file.parent for file in folder.glob("*/run_metadata.json")}


def test_finished_runs_move_but_never_what_is_needed(cli: Cli, copied: Project) -> None:
    before = runs_in(copied.runs)
    before.pop("latest")
    starts = {(metadata(run)["started_from"] or {}).get("run_id") for run in before.values()}
    phase1 = next(name for name in before if name.endswith("_finetune_phase1"))
    assert phase1 in starts
    # To start from: one that nothing else holds.
    base = next(name for name in before if name.endswith("_phase2_seed5"))
    weights = before[base] / "model_checkpoints" / "best.ckpt"

    done = start(cli, copied, "new", "--resume-from", weights, keep=0)
    assert done.status == 0, done.err
    stay = {*(starts - {None}), base, "new"}
    moved = set(before) - stay
    assert moved
    assert "moved to history/: " in done.err
    assert set(runs_in(copied.runs)) - {"latest"} == stay
    assert set(runs_in(copied.runs / "history")) == moved
    assert metadata(copied.runs / "new")["started_from"]["checkpoint"] == str(weights.resolve())

    board = cli("leaderboard", "--run-root", copied.runs, "--json")
    assert {run["run_id"] for run in json.loads(board.out)["runs"]} == {*before, "new"}
    gone = min(moved)
    looked = cli("monitor", "--run-id", gone, "--run-root", copied.runs)
    assert looked.status == 0, looked.err
    best = Path(json.loads(looked.out)["best"]["path"])
    assert (copied.runs / "history" / gone) in best.parents
    assert best.is_file()
    # By its old path it is found as well.
    told = cli("summarise", "--run-dir", copied.runs / gone)
    assert json.loads(told.out)["run_dir"] == str(copied.runs / "history" / gone)

    again = start(cli, copied, "newer", keep=0)
    assert again.status == 0, again.err
    assert "new" in runs_in(copied.runs / "history")
    assert base in runs_in(copied.runs)  # `new` started from it, wherever that is now


def test_a_number_that_is_none_is_a_wrong_request(cli: Cli, project: Project) -> None:
    done = start(cli, project, "new", keep="many")
    assert done.status == 2
    assert "TOPOQA_TRAIN_KEEP_RUNS: 'many' is not a number of runs" in done.err
    assert not (project.runs / "new").exists()


def test_a_history_that_can_t_be_made_fails_no_run(cli: Cli, copied: Project) -> None:
    (copied.runs / "history").write_text("in the way")
    done = start(cli, copied, "new", keep=0)
    assert done.status == 0, done.err
    assert "can't be moved to history/" in done.err
    assert metadata(copied.runs / "new")["status"] == "completed"
