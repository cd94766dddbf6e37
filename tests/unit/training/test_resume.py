"""Where a run goes on that a disk or a copy left with damaged checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checkpoints import NETWORK, after_an_epoch

from topoqa_train.errors import RequestError
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import SELECTION, file_name
from topoqa_train.training import engine, resume
from topoqa_train.training.checkpoints import checkpoint_file
from topoqa_train.training.checkpoints.checkpoint_file import Progress
from topoqa_train.training.lit_module import DockQModule

OLD = file_name(SELECTION, 3, 0.05, -0.1)
NEW = file_name(SELECTION, 12, 0.05, -0.2)


class Keeper:
    """Notes what it is told."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.progress = Progress()
        self.warnings: list[str] = []
        self.document: dict[str, Any] = {}
        self.run = {"name": "r", "created": "2026-01-31"}

    def resume_from(self, document: dict[str, Any]) -> None:
        self.document = document
        self.progress = Progress.from_json(document["progress"])

    def restore_metrics(self, history: object) -> None:
        del history

    warn = property(lambda self: self.warnings.append)


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    """A run after its epoch 12: the last, and two that are ranked."""
    paths = RunPaths(tmp_path / "r")
    paths.checkpoints.mkdir(parents=True)
    for name, epoch in ((OLD, 3), (NEW, 12), ("last.ckpt", 12)):
        document = after_an_epoch()
        entry = document["progress"]["ranking"]["best"][0]
        best = [
            {**entry, "file": file, "epoch": n} for file, n in ((NEW, 12), (OLD, 3)) if n <= epoch
        ]
        ranking = {**document["progress"]["ranking"], "best": best}
        document |= {"epoch": epoch, "progress": {**document["progress"], "ranking": ranking}}
        (paths.checkpoints / name).write_bytes(checkpoint_file.serialise(document))
    return paths


def go_on(paths: RunPaths) -> Keeper:
    keeper: Any = Keeper(paths)
    module = DockQModule(engine.network_as(NETWORK), 0.01)
    keeper.begun = resume.resume(module, keeper, None, NETWORK)
    return keeper


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def test_whole_it_goes_on_from_the_last(paths: RunPaths) -> None:
    before = sorted(paths.checkpoints.iterdir())
    keeper = go_on(paths)
    assert keeper.document["epoch"] == 12
    assert keeper.warnings == []
    links = [paths.checkpoints / name for name in ("best.ckpt", "second_best.ckpt")]
    assert sorted(paths.checkpoints.iterdir()) == sorted([*before, *links])


@pytest.mark.parametrize("lost", [True, False])
def test_without_a_last_that_can_be_read_it_goes_on_from_the_newest_that_can(
    paths: RunPaths, lost: bool
) -> None:
    if lost:
        paths.last.unlink()
    else:
        cut(paths.last)
    cut(paths.checkpoints / NEW)
    keeper = go_on(paths)
    assert keeper.document["epoch"] == 3
    assert checkpoint_file.read(paths.last)["epoch"] == 3
    assert (paths.checkpoints / f"{NEW}.damaged").is_file()
    assert [entry.file for entry in keeper.progress.ranking.best] == [OLD]
    said = " ".join(keeper.warnings)
    assert f"{NEW}.damaged" in said
    assert (f"last.ckpt.damaged; the run goes on from {OLD}" in said) != lost


def test_one_that_was_ranked_and_is_damaged_holds_no_rank(paths: RunPaths) -> None:
    cut(paths.checkpoints / OLD)
    keeper = go_on(paths)
    assert keeper.document["epoch"] == 12
    assert (paths.checkpoints / "best.ckpt").resolve().name == NEW
    assert not (paths.checkpoints / "second_best.ckpt").is_symlink()
    assert not (paths.checkpoints / OLD).exists()
    assert len(keeper.warnings) == 1


def change(file: Path, **parts: Any) -> None:
    file.write_bytes(checkpoint_file.serialise({**checkpoint_file.read(file), **parts}))


def test_the_last_of_another_run_is_not_taken(paths: RunPaths) -> None:
    change(paths.last, run={"name": "other", "created": "2026-01-31"})
    keeper = go_on(paths)
    assert keeper.document["epoch"] == 12
    (said,) = keeper.warnings
    assert "last.ckpt is a checkpoint of another run, other" in said
    assert said.endswith(f"last.ckpt.damaged; the run goes on from {NEW}.")


def test_its_own_is(paths: RunPaths) -> None:
    for file in paths.checkpoints.iterdir():
        change(file, run={"name": "r", "created": "2026-01-31"})
    assert go_on(paths).warnings == []


def test_one_that_is_not_what_its_name_says_holds_no_rank(paths: RunPaths) -> None:
    for name, value in ((OLD, -0.1), (NEW, -0.1)):
        metrics = {"val_loss": 0.05, "selection_metric": value}
        change(paths.checkpoints / name, metrics=metrics)
    keeper = go_on(paths)
    (said,) = keeper.warnings
    assert f"{NEW} holds epoch 12, not what its name says" in said
    assert (paths.checkpoints / "best.ckpt").resolve().name == OLD


def test_one_that_is_asked_for_is_not_put_aside_but_refused(paths: RunPaths) -> None:
    cut(paths.checkpoints / NEW)
    keeper: Any = Keeper(paths)
    module = DockQModule(engine.network_as(NETWORK), 0.01)
    with pytest.raises(RequestError, match="is damaged"):
        resume.resume(module, keeper, paths.checkpoints / NEW, NETWORK)
    assert (paths.checkpoints / NEW).is_file()


def test_those_that_are_gone_are_named(paths: RunPaths) -> None:
    (paths.checkpoints / OLD).unlink()
    assert go_on(paths).warnings == [f"gone from model_checkpoints: {OLD}"]


def test_what_was_put_aside_before_stays(paths: RunPaths) -> None:
    (paths.checkpoints / "last.ckpt.damaged").mkdir()
    cut(paths.last)
    (said,) = go_on(paths).warnings
    assert "last.ckpt.damaged-2" in said


def test_where_none_can_be_read_nothing_is_touched(paths: RunPaths) -> None:
    for file in paths.checkpoints.iterdir():
        cut(file)
    before = {file: file.read_bytes() for file in paths.checkpoints.iterdir()}
    with pytest.raises(RequestError, match=r"last\.ckpt is damaged"):
        go_on(paths)
    assert {file: file.read_bytes() for file in paths.checkpoints.iterdir()} == before


def test_without_any_it_begins_anew(paths: RunPaths) -> None:
    for file in paths.checkpoints.iterdir():
        file.unlink()
    assert not go_on(paths).begun
