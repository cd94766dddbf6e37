from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.runs.paths import RunPaths
from topoqa_train.workflows import steady


def number_of_rows(paths: RunPaths) -> int:
    """A reader that, like ours, takes missing metrics for none yet."""
    if not paths.metadata.is_file():
        raise RequestError("is not a run")
    return len(paths.metrics.read_text().splitlines()) if paths.metrics.is_file() else 0


def into_history(run: Path) -> Path:
    history = run.parent / "history"
    history.mkdir(exist_ok=True)
    return run.rename(history / run.name)


def test_a_run_that_stays_is_read_once_where_it_is(run_files: Any) -> None:
    run = RunPaths(run_files("r"))
    seen = []
    where, rows = steady.read(run, lambda paths: seen.append(paths) or number_of_rows(paths))
    assert (where, rows, seen) == (run, 5, [run])


def test_a_run_that_moved_before_is_found_by_its_name(run_files: Any) -> None:
    run = run_files("r")
    moved = into_history(run)
    assert steady.read(RunPaths(run), number_of_rows) == (RunPaths(moved), 5)
    back = moved.rename(run)
    assert steady.read(RunPaths(moved), number_of_rows) == (RunPaths(back), 5)


def test_what_was_read_while_it_moved_is_not_believed(run_files: Any) -> None:
    run = run_files("r")

    def reader(paths: RunPaths) -> int:
        if paths.root == run:
            into_history(run)
            return 0  # its metrics were gone already
        return number_of_rows(paths)

    assert steady.read(RunPaths(run), reader)[1] == 5


def test_a_run_on_its_way_is_waited_for(run_files: Any) -> None:
    run = run_files("r")
    away = run.rename(run.parent.parent / "on_its_way")
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            shutil.copytree(away, run.parent / "history" / "r")

    assert steady.read(RunPaths(run), number_of_rows, wait=wait)[1] == 5
    assert len(waited) == 2


@pytest.mark.parametrize("wait", [None, lambda seconds: None])
def test_a_run_that_is_nowhere_is_told_of(
    run_files: Any, wait: Callable[[float], None] | None
) -> None:
    run = run_files("r")
    run_files("other")
    shutil.rmtree(run)
    with pytest.raises(RequestError) as caught:
        steady.read(RunPaths(run), number_of_rows, wait=wait)
    # Asked for once, it may never have been there; followed, it was.
    assert caught.value.message == (
        "is not a run" if wait is None else "run r is gone: it was deleted or renamed meanwhile"
    )


def test_a_fault_of_a_run_that_is_there_is_not_searched_for(run_files: Any) -> None:
    def reader(paths: RunPaths) -> int:
        raise RequestError("its metadata are odd")

    with pytest.raises(RequestError, match="odd"):
        steady.read(RunPaths(run_files("r")), reader, wait=lambda seconds: None)


def test_a_place_that_was_never_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="is not a run"):
        steady.read(RunPaths(tmp_path / "no" / "where"), number_of_rows)
