from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import Measured, write_legacy_run

from topoqa_train.inspection import summarise
from topoqa_train.runs import status
from topoqa_train.runs.paths import RunPaths
from topoqa_train.views import json_models
from topoqa_train.views.json_models import SummaryDocument


@pytest.fixture
def summarised(clock: Any) -> Callable[[Path], SummaryDocument]:
    return lambda run: summarise.summarise(RunPaths(run), clock)


@pytest.fixture
def two_bests(run_files: Any, epoch: Any) -> Path:
    """Epoch 1 has the lowest val_loss, epoch 2 the lowest selection metric."""
    epochs = [epoch(0.09, 0.1), epoch(0.04, 0.2), epoch(0.06, 0.8), epoch(0.08, 0.3)]
    return Path(run_files("r", epochs))


def test_both_bests_with_their_own_metrics(summarised: Any, two_bests: Path) -> None:
    document = summarised(two_bests)
    by_loss, by_selection = document.best_by_val_loss, document.best_by_selection_metric
    assert (by_loss.epoch, by_loss.metrics.val_loss, by_loss.metrics.val_spearman_corr) == (
        1,
        0.04,
        0.2,
    )
    assert (by_selection.epoch, by_selection.metrics.val_loss) == (2, 0.06)
    assert by_loss.path == "model_checkpoints/checkpoint.sel--0.16000_val-0.04000_epoch1.chkpt"
    assert (two_bests / by_loss.path).read_text() == "weights of epoch 1"
    assert {name: row.epoch for name, row in document.best_epochs.items()} == {
        "val_loss": 1,
        "selection_metric": 2,
    }


def test_the_ranking_with_its_links(summarised: Any, two_bests: Path) -> None:
    document = summarised(two_bests)
    ranking = document.checkpoint_ranking
    assert [(each.rank, each.epoch) for each in ranking] == [(1, 2), (2, 3), (3, 1)]
    assert sorted(ranking[2].links) == ["best_val_loss.ckpt", "third_best.ckpt"]
    for link, target in document.links.items():
        assert (two_bests / "model_checkpoints" / link).readlink() == Path(target)
    assert len(document.links) == 4
    assert document.broken_links == {}


def test_broken_links(summarised: Any, two_bests: Path) -> None:
    link = two_bests / "model_checkpoints" / "best.ckpt"
    link.unlink()
    link.symlink_to("gone.chkpt")
    document = summarised(two_bests)
    assert document.broken_links == {"best.ckpt": "gone.chkpt"}
    assert "best.ckpt" not in document.links
    assert "best.ckpt is a dangling link to gone.chkpt" in document.warnings


def test_the_checkpoint_to_resume_from(summarised: Any, two_bests: Path) -> None:
    assert summarised(two_bests).last_checkpoint is None
    (two_bests / "model_checkpoints" / "last.ckpt").write_text("")
    assert summarised(two_bests).last_checkpoint == "model_checkpoints/last.ckpt"


def test_settings_and_parameters(summarised: Any, run_files: Any) -> None:
    document = summarised(run_files("r", weight=2.0, training_parameters={"seed": 7}))
    assert document.ranking_metric == "selection_metric"
    assert document.selection["spearman_weight"] == 2.0
    assert document.learning_parameters == {"seed": 7}
    assert document.metadata["training_parameters"] == {"seed": 7}


def test_coverage_and_features(summarised: Any, two_bests: Path) -> None:
    assert (summarised(two_bests).coverage, summarised(two_bests).feature_schema) == (None, None)
    coverage = {"val": {"total": 4, "usable": 3, "coverage": 75.0, "missing": ["x_1"]}}
    (two_bests / "dataset_coverage.json").write_text(json.dumps(coverage))
    (two_bests / "feature_metadata.json").write_text('{"node_schema": {"dim": 7}, "odd": NaN}')
    document = summarised(two_bests)
    assert document.coverage == coverage
    assert document.feature_schema == {"node_schema": {"dim": 7}, "odd": None}
    assert "val: 1 of 4 labelled decoys have no graph" in document.warnings


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_an_unreadable_file_is_a_warning(summarised: Any, two_bests: Path, content: bytes) -> None:
    (two_bests / "dataset_coverage.json").write_bytes(content)
    document = summarised(two_bests)
    assert document.coverage is None
    assert any(line.startswith("dataset_coverage.json ") for line in document.warnings)
    assert len(document.metrics_history) == 4


def test_a_run_without_an_epoch(summarised: Any, run_files: Any) -> None:
    document = summarised(run_files("r", [], status="failed", error={"message": "no data"}))
    assert (document.best_by_val_loss, document.best_by_selection_metric) == (None, None)
    assert (document.metrics_history, document.checkpoint_ranking, document.best_epochs) == (
        [],
        [],
        {},
    )
    assert document.status == "failed"
    assert "failed before the end of its first epoch: no data" in document.warnings


def test_nan_is_null_and_never_the_best(summarised: Any, run_files: Any, epoch: Any) -> None:
    lost = epoch(math.nan, math.nan)
    document = summarised(run_files("r", [lost, epoch(0.5, 0.1), lost]))
    assert document.best_by_val_loss.epoch == 1
    text = json_models.to_json(document, indent=None)
    assert "NaN" not in text
    rows = json.loads(text)["metrics_history"]
    assert [row["val_loss"] for row in rows] == [None, 0.5, None]


def test_only_nan(summarised: Any, run_files: Any, epoch: Any) -> None:
    document = summarised(run_files("r", [epoch(math.nan, math.nan)] * 2))
    assert (document.best_by_val_loss, document.best_by_selection_metric) == (None, None)
    assert document.best_epochs == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_read(summarised: Any, two_bests: Path) -> None:
    os.mkfifo(two_bests / "dataset_coverage.json")
    assert "dataset_coverage.json can't be read: it is a pipe, not a file" in (
        summarised(two_bests).warnings
    )


def test_a_run_whose_process_died(summarised: Any, run_files: Any) -> None:
    dead = {**status.this_process(), "started": 1.0, "ticks": 1}
    document = summarised(run_files("r", status="running", process=dead))
    assert document.status == "interrupted"
    assert document.metadata["status"] == "running"


@pytest.mark.parametrize("links", ["links", "copies", "none"])
def test_a_copy_reads_the_same(summarised: Any, run_files: Any, tmp_path: Path, links: str) -> None:
    run = run_files("r", links=links)
    shutil.copytree(run, tmp_path / "elsewhere" / "r", symlinks=True)
    there, here = summarised(tmp_path / "elsewhere" / "r"), summarised(run)
    assert there.model_copy(update={"run_dir": here.run_dir}) == here
    assert here.best_by_val_loss.epoch == 1


def test_one_of_the_previous_pipeline(summarised: Any, tmp_path: Path) -> None:
    history = [Measured(0.09, 0.1), Measured(0.04, 0.2), Measured(0.06, 0.8), Measured(0.08, 0.3)]
    run = write_legacy_run(tmp_path, history=history, names="sel", links="elsewhere")
    document = summarised(run)
    assert document.read_only
    assert "not resumed" in document.warnings[0]
    assert [row.epoch for row in document.metrics_history] == [0, 1, 2, 3]
    best = document.checkpoint_ranking[0]
    assert (best.epoch, best.metrics.val_loss, best.metrics.val_spearman_corr) == (2, 0.06, 0.8)
    assert best.links == ["best.ckpt"]
    assert document.best_by_val_loss.epoch == 1
    assert document.learning_parameters["batch_size"] == 16
    assert document.runtime.elapsed_seconds == 9000.5
    assert document.runtime.mean_epoch_seconds == 9000.5 / 4
    assert not list(run.rglob("*.tmp"))
