"""The checkpoint from which a run resumes when files are damaged, missing or foreign."""

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
    """Records what it is given."""

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


def resume_run(paths: RunPaths) -> Keeper:
    keeper: Any = Keeper(paths)
    module = DockQModule(engine.build_network(NETWORK), 0.01)
    keeper.resumed = resume.resume(module, keeper, None, NETWORK)
    return keeper


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def test_the_last_checkpoint_is_the_default(paths: RunPaths) -> None:
    before = sorted(paths.checkpoints.iterdir())
    keeper = resume_run(paths)
    assert keeper.document["epoch"] == 12
    assert keeper.warnings == []
    links = [paths.checkpoints / name for name in ("best.ckpt", "second_best.ckpt")]
    assert sorted(paths.checkpoints.iterdir()) == sorted([*before, *links])


@pytest.mark.parametrize("missing", [True, False])
def test_without_a_valid_last_the_newest_valid_one_is_used(paths: RunPaths, missing: bool) -> None:
    if missing:
        paths.last.unlink()
    else:
        cut(paths.last)
    cut(paths.checkpoints / NEW)
    keeper = resume_run(paths)
    assert keeper.document["epoch"] == 3
    assert checkpoint_file.read(paths.last)["epoch"] == 3
    assert (paths.checkpoints / f"{NEW}.damaged").is_file()
    assert [entry.file for entry in keeper.progress.ranking.best] == [OLD]
    warning = " ".join(keeper.warnings)
    assert f"{NEW}.damaged" in warning
    assert (f"last.ckpt.damaged; the run resumes from {OLD}" in warning) != missing


def test_a_damaged_ranked_checkpoint_loses_its_rank(paths: RunPaths) -> None:
    cut(paths.checkpoints / OLD)
    keeper = resume_run(paths)
    assert keeper.document["epoch"] == 12
    assert (paths.checkpoints / "best.ckpt").resolve().name == NEW
    assert not (paths.checkpoints / "second_best.ckpt").is_symlink()
    assert not (paths.checkpoints / OLD).exists()
    assert len(keeper.warnings) == 1


def change(file: Path, **parts: Any) -> None:
    file.write_bytes(checkpoint_file.serialise({**checkpoint_file.read(file), **parts}))


def test_the_last_of_another_run_is_quarantined(paths: RunPaths) -> None:
    change(paths.last, run={"name": "other", "created": "2026-01-31"})
    keeper = resume_run(paths)
    assert keeper.document["epoch"] == 12
    (warning,) = keeper.warnings
    assert "last.ckpt is a checkpoint of another run, other" in warning
    assert warning.endswith(f"last.ckpt.damaged; the run resumes from {NEW}.")


def test_checkpoints_of_this_run_are_accepted(paths: RunPaths) -> None:
    for file in paths.checkpoints.iterdir():
        change(file, run={"name": "r", "created": "2026-01-31"})
    assert resume_run(paths).warnings == []


def test_a_checkpoint_that_differs_from_its_name_loses_its_rank(paths: RunPaths) -> None:
    for name, value in ((OLD, -0.1), (NEW, -0.1)):
        metrics = {"val_loss": 0.05, "selection_metric": value}
        change(paths.checkpoints / name, metrics=metrics)
    keeper = resume_run(paths)
    (warning,) = keeper.warnings
    assert f"{NEW} holds epoch 12, which differs from its name" in warning
    assert (paths.checkpoints / "best.ckpt").resolve().name == OLD


def test_a_chosen_damaged_checkpoint_is_refused_and_kept(paths: RunPaths) -> None:
    cut(paths.checkpoints / NEW)
    keeper: Any = Keeper(paths)
    module = DockQModule(engine.build_network(NETWORK), 0.01)
    with pytest.raises(RequestError, match="is damaged"):
        resume.resume(module, keeper, paths.checkpoints / NEW, NETWORK)
    assert (paths.checkpoints / NEW).is_file()


def test_missing_ranked_checkpoints_are_reported(paths: RunPaths) -> None:
    (paths.checkpoints / OLD).unlink()
    assert resume_run(paths).warnings == [f"missing in model_checkpoints: {OLD}"]


def test_an_earlier_quarantined_file_is_kept(paths: RunPaths) -> None:
    (paths.checkpoints / "last.ckpt.damaged").mkdir()
    cut(paths.last)
    (warning,) = resume_run(paths).warnings
    assert "last.ckpt.damaged-2" in warning


def test_without_any_valid_checkpoint_nothing_changes(paths: RunPaths) -> None:
    for file in paths.checkpoints.iterdir():
        cut(file)
    before = {file: file.read_bytes() for file in paths.checkpoints.iterdir()}
    with pytest.raises(RequestError, match=r"last\.ckpt is damaged"):
        resume_run(paths)
    assert {file: file.read_bytes() for file in paths.checkpoints.iterdir()} == before


def test_without_checkpoints_the_run_starts_again(paths: RunPaths) -> None:
    for file in paths.checkpoints.iterdir():
        file.unlink()
    assert not resume_run(paths).resumed
