from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.runs import summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.summary import RunSummary

RunFiles = Callable[..., Path]


@pytest.fixture
def read(clock: Any) -> Callable[[Path], RunSummary]:
    return lambda run: summary.read(RunPaths(run), clock)


@pytest.fixture
def two_bests(epoch: Any) -> list[Any]:
    """Epoch 1 has the lowest val_loss, epoch 2 the lowest selection metric."""
    return [epoch(0.09, 0.1), epoch(0.04, 0.2), epoch(0.06, 0.8), epoch(0.08, 0.3)]


@pytest.mark.parametrize("links", ["links", "copies"])
class TestBest:
    def test_it_is_the_best_by_the_run_s_own_metric_with_its_own_figures(
        self, read: Any, run_files: RunFiles, two_bests: Any, links: str
    ) -> None:
        run = run_files("r", two_bests, links=links)
        best = read(run).best()
        assert best is not None
        assert best.epoch == 2
        assert best.path.name == "checkpoint.sel--0.74000_val-0.06000_epoch2.chkpt"
        assert best.link == run / "model_checkpoints" / "best.ckpt"
        assert best.path.read_text() == best.link.read_text() == "weights of epoch 2"
        assert (best.figures["val_loss"], best.figures["val_spearman_corr"]) == (0.06, 0.8)

    def test_by_the_other_metric_it_is_the_checkpoint_that_has_it(
        self, read: Any, run_files: RunFiles, two_bests: Any, links: str
    ) -> None:
        run = run_files("r", two_bests, links=links)
        best = read(run).best("val_loss")
        assert best is not None
        assert best.epoch == 1
        assert best.figures["val_loss"] == 0.04
        assert best.link.name == "best_val_loss.ckpt"
        assert best.link.read_text() == "weights of epoch 1"

    def test_for_a_metric_that_keeps_no_checkpoint_it_is_the_run_s_best(
        self, read: Any, run_files: RunFiles, two_bests: Any, links: str
    ) -> None:
        run = run_files("r", two_bests, ranking_metric="val_loss", links=links)
        best = read(run).best("val_spearman_corr")
        assert best is not None
        assert (best.epoch, best.figures["val_spearman_corr"]) == (1, 0.2)


class TestCopies:
    def test_a_moved_run_reads_the_same(self, read: Any, run_files: RunFiles) -> None:
        run = run_files("r")
        before = read(run).best()
        moved = run.rename(run.parent.parent / "moved")
        after = read(moved).best()
        assert before is not None
        assert after is not None
        assert (after.epoch, after.figures) == (before.epoch, before.figures)
        assert after.path == moved / before.path.relative_to(run)

    def test_a_copy_that_made_files_of_links_reads_the_same(
        self, read: Any, run_files: RunFiles, tmp_path: Path
    ) -> None:
        run = run_files("r")
        shutil.copytree(run, tmp_path / "copy", symlinks=False)
        assert not (tmp_path / "copy" / "model_checkpoints" / "best.ckpt").is_symlink()
        best, original = read(tmp_path / "copy").best(), read(run).best()
        assert best is not None
        assert (best.epoch, best.path.name) == (original.epoch, original.path.name)

    def test_a_copy_that_lost_its_links_reads_the_same(
        self, read: Any, run_files: RunFiles
    ) -> None:
        best = read(run_files("r", links="none")).best()
        assert best is not None
        assert best.link == best.path
        assert best.path.is_file()

    @pytest.mark.parametrize(
        "named", [None, 7, "../../secret.chkpt", "/etc/passwd", "gone_epoch1.chkpt", ""]
    )
    def test_metadata_that_name_no_file_of_the_run_give_none(
        self, read: Any, run_files: RunFiles, named: object
    ) -> None:
        run = run_files("r", links="none")
        (run.parent / "secret.chkpt").write_text("")
        document = json.loads((run / "run_metadata.json").read_text())
        document["checkpoints"]["links"] = {"model_checkpoints/best.ckpt": named}
        (run / "run_metadata.json").write_text(json.dumps(document))
        assert read(run).best() is None
        document["checkpoints"]["links"] = named
        (run / "run_metadata.json").write_text(json.dumps(document))
        assert read(run).best() is None


class TestNoBest:
    @pytest.mark.parametrize(
        "target",
        ["gone_epoch1.chkpt", "../../outside_epoch1.chkpt", "/etc/passwd", "best.ckpt"],
    )
    def test_a_link_that_leads_out_or_nowhere_is_not_ours(
        self, read: Any, run_files: RunFiles, target: str
    ) -> None:
        run = run_files("r")
        (run.parent / "outside_epoch1.chkpt").write_text("")
        link = run / "model_checkpoints" / "best.ckpt"
        link.unlink()
        link.symlink_to(target)
        assert read(run).best() is None

    @pytest.mark.parametrize("name", ["model.chkpt", "x_epoch.chkpt", "x_epoch-1.chkpt"])
    def test_a_file_that_names_no_epoch_has_no_figures(
        self, read: Any, run_files: RunFiles, name: str
    ) -> None:
        run = run_files("r")
        (run / "model_checkpoints" / name).write_text("")
        link = run / "model_checkpoints" / "best.ckpt"
        link.unlink()
        link.symlink_to(name)
        assert read(run).best() is None

    def test_a_checkpoint_without_a_row_has_no_figures(
        self, read: Any, run_files: RunFiles
    ) -> None:
        run = run_files("r")
        table = run / "metrics" / "metrics.csv"
        table.write_text(table.read_text().splitlines()[0] + "\n")
        assert read(run).best() is None

    def test_a_run_that_has_not_begun(self, read: Any, run_files: RunFiles) -> None:
        found = read(run_files("r", [], status="failed"))
        assert (found.best(), found.rows, found.seconds) == (None, [], 0.0)
        assert found.status == Status.FAILED


def test_figures_of_the_run(read: Any, run_files: RunFiles, epoch: Any) -> None:
    run = run_files("r", [epoch(0.5), epoch(0.4), epoch(math.nan)], ranking_metric="val_loss")
    found = read(run)
    assert found.seconds == 7.5
    assert found.ranking_metric == "val_loss"
    assert found.selection_settings == (False, 1.0, 0.0)
    assert math.isnan(found.rows[2]["val_loss"])


def test_one_that_can_t_be_read_is_told_of_and_spares_the_others(
    run_files: RunFiles, clock: Any
) -> None:
    runs = [run_files(name) for name in ("a", "b", "c", "d")]
    (runs[1] / "run_metadata.json").write_text("{")
    (runs[2] / "metrics" / "metrics.csv").unlink()
    (runs[2] / "metrics" / "metrics.csv").mkdir()
    (runs[3] / "run_metadata.json").unlink()
    (runs[3] / "metrics" / "metrics.csv").unlink()
    good, bad = summary.read_all([RunPaths(run) for run in runs], clock)
    assert [run.paths.run_id for run in good] == ["a"]
    assert len(bad) == 3
    for line, run in zip(bad, runs[1:], strict=True):
        assert str(run) in line
    with pytest.raises(RequestError):
        summary.read(RunPaths(runs[2]), clock)
