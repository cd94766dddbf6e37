from __future__ import annotations

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
@pytest.mark.parametrize(
    ("ranking_metric", "metric", "number", "link"),
    [
        ("selection_metric", None, 2, "best.ckpt"),
        ("selection_metric", "val_loss", 1, "best_val_loss.ckpt"),
        # Checkpoints are not kept by any other metric.
        ("val_loss", "val_spearman_corr", 1, "best.ckpt"),
    ],
)
def test_the_best_by_a_metric(
    read: Any,
    run_files: RunFiles,
    two_bests: Any,
    links: str,
    ranking_metric: str,
    metric: str | None,
    number: int,
    link: str,
) -> None:
    run = run_files("r", two_bests, ranking_metric=ranking_metric, links=links)
    best = read(run).best(metric)
    assert (best.epoch, best.link) == (number, run / "model_checkpoints" / link)
    assert best.path.name.endswith(f"val-{two_bests[number].val_loss:.5f}_epoch{number}.chkpt")
    assert best.path.read_text() == best.link.read_text() == f"weights of epoch {number}"
    assert best.metrics["val_loss"] == two_bests[number].val_loss
    assert best.metrics["val_spearman_corr"] == two_bests[number].rho


def test_a_moved_run_reads_the_same(read: Any, run_files: RunFiles) -> None:
    run = run_files("r")
    before = read(run).best()
    moved = run.rename(run.parent.parent / "moved")
    after = read(moved).best()
    assert (after.epoch, after.metrics) == (before.epoch, before.metrics)
    assert after.path == moved / before.path.relative_to(run)


class TestDamaged:
    @pytest.mark.parametrize("target", ["gone_epoch1.chkpt", "../../outside_epoch1.chkpt"])
    def test_a_link_out_of_the_run_or_to_nothing_is_not_followed(
        self, read: Any, run_files: RunFiles, target: str
    ) -> None:
        run = run_files("r")
        (run.parent / "outside_epoch1.chkpt").write_text("")
        link = run / "model_checkpoints" / "best.ckpt"
        link.unlink()
        link.symlink_to(target)
        found = read(run)
        assert found.shelf.broken == {"best.ckpt": target}
        assert found.best().epoch == 1
        assert "best.ckpt" not in found.best().links

    @pytest.mark.parametrize("name", ["model.chkpt", "x_epoch.chkpt", "x_epoch-1.chkpt"])
    def test_a_file_that_names_no_epoch_does_not_rank(
        self, read: Any, run_files: RunFiles, name: str
    ) -> None:
        run = run_files("r")
        (run / "model_checkpoints" / name).write_text("")
        link = run / "model_checkpoints" / "best.ckpt"
        link.unlink()
        link.symlink_to(name)
        assert read(run).best().epoch == 1

    def test_a_checkpoint_without_a_row_is_not_ranked(self, read: Any, run_files: RunFiles) -> None:
        run = run_files("r")
        table = run / "metrics" / "metrics.csv"
        table.write_text(table.read_text().splitlines()[0] + "\n")
        assert read(run).best() is None

    def test_a_run_without_epochs(self, read: Any, run_files: RunFiles) -> None:
        found = read(run_files("r", [], status="failed"))
        assert (found.best(), found.rows, found.seconds) == (None, [], 0.0)
        assert found.status == Status.FAILED


def test_values_of_the_run(read: Any, run_files: RunFiles, epoch: Any) -> None:
    run = run_files("r", [epoch(0.5), epoch(0.4), epoch(math.nan)], ranking_metric="val_loss")
    found = read(run)
    assert found.seconds == 7.5
    assert found.ranking_metric == "val_loss"
    assert found.selection_settings == (False, 1.0, 0.0)
    assert math.isnan(found.rows[2]["val_loss"])


def test_an_unreadable_run_is_named_and_spares_the_others(run_files: RunFiles, clock: Any) -> None:
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


class TestCheckpoints:
    def test_all_best_first_with_their_links(
        self, read: Any, run_files: RunFiles, two_bests: Any
    ) -> None:
        found = read(run_files("r", two_bests))
        kept = found.checkpoints()
        assert [each.epoch for each in kept] == [2, 3, 1]
        assert [each.links for each in kept] == [
            ("best.ckpt",),
            ("second_best.ckpt",),
            ("best_val_loss.ckpt", "third_best.ckpt"),
        ]
        assert kept[0] == found.best()
        for each in kept:
            assert each.link.read_text() == f"weights of epoch {each.epoch}"
        assert [each.epoch for each in found.checkpoints("val_loss")] == [1, 2, 3]
        assert [each.epoch for each in found.checkpoints("val_pearson_corr")] == [2, 3, 1]
        assert found.warnings == ()

    def test_links_that_a_copy_lost_are_not_broken(
        self, read: Any, run_files: RunFiles, two_bests: Any
    ) -> None:
        found = read(run_files("r", two_bests, links="none"))
        assert [each.links for each in found.checkpoints()] == [(), (), ()]
        assert found.best().link == found.best().path
        assert found.shelf.broken == {}

    def test_without_the_metric_it_comes_last(
        self, read: Any, run_files: RunFiles, epoch: Any
    ) -> None:
        history = [epoch(0.4, extra={"val_new": math.nan}), epoch(0.5, extra={"val_new": 3.0})]
        found = read(run_files("r", history))
        assert [each.epoch for each in found.checkpoints("val_new")] == [1, 0]
        assert [each.epoch for each in found.checkpoints("no_such")] == [0, 1]

    def test_a_name_that_contradicts_the_metrics_is_a_warning(
        self, read: Any, run_files: RunFiles
    ) -> None:
        run = run_files("r", ranking_metric="val_loss")
        folder = run / "model_checkpoints"
        wrong = "checkpoint.val-0.00001_epoch1.chkpt"
        (folder / "checkpoint.val-0.05000_epoch1.chkpt").rename(folder / wrong)
        found = read(run)
        assert found.checkpoints()[0].metrics == {"val_loss": 0.00001}
        assert wrong in found.warnings[0]


class TestMovedMeanwhile:
    @pytest.mark.parametrize("after", ["load", "scan", "metrics"])
    def test_it_is_read_at_its_new_place(
        self, read: Any, run_files: RunFiles, monkeypatch: pytest.MonkeyPatch, after: str
    ) -> None:
        run = run_files("r")
        moved = run.parent / "history" / "r"
        moved.parent.mkdir()
        module, name = {
            "load": (summary.metadata, "load"),
            "scan": (summary.checkpoint_files, "scan"),
            "metrics": (summary.metrics_file, "read"),
        }[after]
        step = getattr(module, name)

        def move_meanwhile(*arguments: Any) -> Any:
            done = step(*arguments)
            if run.is_dir():
                run.rename(moved)
            return done

        monkeypatch.setattr(module, name, move_meanwhile)
        found = read(run)
        assert found.paths.root == moved
        assert len(found.rows) == 4
        assert found.best().path.is_file()

    def test_a_deleted_run_is_a_request_error(
        self, read: Any, run_files: RunFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = run_files("r")
        load = summary.metadata.load

        def delete_meanwhile(path: Path) -> Any:
            document = load(path)
            shutil.rmtree(run)
            return document

        monkeypatch.setattr(summary.metadata, "load", delete_meanwhile)
        with pytest.raises(RequestError, match="is not a run"):
            read(run)


def test_a_glance(run_files: RunFiles, clock: Any) -> None:
    seen = summary.glance(RunPaths(run_files("r", status="failed")), clock)
    assert (seen.metadata.run_name, seen.status, seen.read_only) == ("r", Status.FAILED, False)


@pytest.mark.parametrize(
    ("limit", "limited"), [(None, False), (1.0, False), (1, True), (0.5, True)]
)
def test_a_share_of_all_is_no_limit(
    read: Any, run_files: RunFiles, limit: float | None, limited: bool
) -> None:
    run = run_files("r", training_parameters={"limit_val_batches": limit})
    assert read(run).limited is limited
