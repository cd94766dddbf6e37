from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import MachineError, RequestError
from topoqa_train.runs import status
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.tracking.run_watcher import Sitting

GONE = {"pid": 2**22 + 1, "started": 0.0, "host": status.this_process()["host"]}


@pytest.fixture
def run(run_files: Callable[..., Path]) -> Path:
    return run_files(
        "r", status="running", process=status.this_process(), progress={"epochs_done": 3}
    )


@pytest.fixture
def sitting(run: Path, clock: Any) -> Sitting:
    return Sitting(RunPaths(run), clock)


def change(run: Path, **fields: Any) -> None:
    file = run / "run_metadata.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_a_run_that_trains_is_not_over(sitting: Sitting) -> None:
    glimpse = sitting.look()
    assert glimpse.status is Status.RUNNING
    assert not glimpse.over
    assert not sitting.over


def test_an_epoch_that_may_be_repeated_is_not_shown(sitting: Sitting, run: Path) -> None:
    assert [row["epoch"] for row in sitting.look().rows] == [0, 1, 2]
    change(run, progress={"epochs_done": 4})
    assert [row["epoch"] for row in sitting.look().rows] == [0, 1, 2, 3]
    change(run, progress={})
    assert sitting.look().rows == []


@pytest.mark.parametrize("word", ["completed", "failed", "interrupted"])
def test_the_last_word_of_a_run_ends_its_sitting(sitting: Sitting, run: Path, word: str) -> None:
    change(run, status=word)
    assert sitting.over
    assert sitting.look().over
    assert sitting.look().status == word
    assert not sitting.replaced


def test_a_run_whose_process_is_gone_is_over(run: Path, clock: Any) -> None:
    change(run, process=GONE)
    glimpse = Sitting(RunPaths(run), clock).look()
    assert (glimpse.status, glimpse.over) == (Status.INTERRUPTED, True)


def test_a_run_that_another_process_took_up_is_over_for_this_one(
    sitting: Sitting, run: Path
) -> None:
    change(run, process={**status.this_process(), "started": 1.0, "ticks": 1})
    assert sitting.over
    assert sitting.replaced


def test_a_run_is_followed_into_history(sitting: Sitting, run: Path) -> None:
    history = run.parent / "history"
    history.mkdir()
    change(run, status="completed")
    run.rename(history / run.name)
    glimpse = sitting.look()
    assert len(glimpse.rows) == 3
    assert glimpse.over
    assert sitting.paths.root == history / run.name


def test_a_run_that_is_gone_is_an_error_and_its_process_says_whether_it_is_over(
    sitting: Sitting, run: Path
) -> None:
    run.rename(run.parent.parent / "elsewhere")
    with pytest.raises(MachineError, match="run r is gone"):
        sitting.look()
    assert not sitting.over


def test_what_cannot_be_read_for_a_moment_is_as_it_was(sitting: Sitting, run: Path) -> None:
    before = sitting.look()
    (run / "run_metadata.json").write_text("{")
    assert sitting.look() == before


def test_where_there_is_no_run_there_is_no_sitting(tmp_path: Path, clock: Any) -> None:
    with pytest.raises(RequestError, match="is not a run"):
        Sitting(RunPaths(tmp_path), clock)
