from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.runs import status, summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.views import diagnostics, eta

ME = status.this_process()


@pytest.fixture
def warned(clock: Any) -> Callable[..., list[str]]:
    """The warnings of a run."""

    def _warned(run: Path, **changes: Any) -> list[str]:
        read = replace(summary.read(RunPaths(run), clock), **changes)
        return diagnostics.warnings_of(read, eta.runtime_of(read, clock))

    return _warned


def test_a_run_without_problems_has_no_warnings(warned: Any, run_files: Any) -> None:
    assert warned(run_files("r")) == []


class TestState:
    def test_in_progress(self, warned: Any, run_files: Any) -> None:
        run = run_files("r", status="running", process=ME)
        assert warned(run) == [diagnostics.IN_PROGRESS]

    def test_no_epoch_yet(self, warned: Any, run_files: Any) -> None:
        run = run_files("r", [], status="running", process=ME)
        assert warned(run) == [diagnostics.IN_PROGRESS, "no epoch has ended yet"]

    def test_a_process_that_died(self, warned: Any, run_files: Any) -> None:
        run = run_files(
            "r",
            status="running",
            process={**ME, "started": 1.0, "ticks": 1},
            training_parameters={"num_epochs": 9},
        )
        (line,) = warned(run)
        assert line.startswith("process died after 4 of 9 epochs")
        assert "topoqa-train resume" in line

    def test_one_that_was_stopped(self, warned: Any, run_files: Any) -> None:
        lines = warned(run_files("r", [], status="interrupted"))
        assert lines[0].startswith("interrupted before the end of its first epoch")
        assert lines[1] == "no epoch was completed"

    def test_a_failed_run_gives_the_reason(self, warned: Any, run_files: Any) -> None:
        error = {"message": "out of memory"}
        (line,) = warned(run_files("r", status="failed", error=error))
        assert line == "failed after 4 epochs: out of memory"
        (line,) = warned(run_files("s", status="failed"))
        assert line == "failed after 4 epochs"

    def test_one_of_another_program(self, warned: Any, run_files: Any) -> None:
        run = run_files("r", status="interrupted")
        lines = warned(run, kind="a run of another program")
        assert "not resumed" in lines[0]
        assert "topoqa-train resume" not in " ".join(lines)

    @pytest.mark.parametrize(("silent", "expected"), [(60, False), (600, True)])
    def test_one_that_may_hang(
        self, warned: Any, run_files: Any, clock: Any, silent: float, expected: bool
    ) -> None:
        run = run_files("r", status="running", process=ME)
        for file in (run / "run_metadata.json", run / "metrics" / "metrics.csv"):
            os.utime(file, (clock.now().timestamp() - silent,) * 2)
        assert any("it may hang" in line for line in warned(run)) is expected

    def test_missing_rows(self, warned: Any, run_files: Any) -> None:
        run = run_files("r", progress={"epochs_done": 4})
        assert warned(run) == []
        table = run / "metrics" / "metrics.csv"
        table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
        assert "of 4 completed epochs, 1 have no row in the metrics" in warned(run)


class TestCheckpoints:
    def test_none_at_all(self, warned: Any, run_files: Any) -> None:
        run = run_files("r")
        shutil.rmtree(run / "model_checkpoints")
        assert warned(run) == ["it has no checkpoint"]

    def test_a_dangling_link_is_named_with_its_target(self, warned: Any, run_files: Any) -> None:
        run = run_files("r")
        link = run / "model_checkpoints" / "second_best.ckpt"
        target = link.readlink()
        (run / "model_checkpoints" / target).unlink()
        assert warned(run) == [f"second_best.ckpt is a dangling link to {target}"]

    def test_the_best_epoch_without_its_checkpoint(self, warned: Any, run_files: Any) -> None:
        run = run_files("r")
        for name in ("best.ckpt", "best_val_loss.ckpt"):
            (run / "model_checkpoints" / name).unlink()
        next((run / "model_checkpoints").glob("*epoch1.chkpt")).unlink()
        lines = warned(run)
        assert lines == [
            "the best epoch by val_loss, 1, has no checkpoint; "
            "the best one that is kept has 0.0700, of epoch 2",
            "the best epoch by selection_metric, 1, has no checkpoint; "
            "the best one that is kept has -0.4300, of epoch 2",
        ]

    def test_one_that_is_about_to_be_written_is_not_missed(
        self, warned: Any, run_files: Any, epoch: Any
    ) -> None:
        run = run_files("r", [epoch(0.09), epoch(0.05)], status="running", process=ME)
        for link in ("best.ckpt", "best_val_loss.ckpt"):
            (run / "model_checkpoints" / link).unlink()
        next((run / "model_checkpoints").glob("*epoch1.chkpt")).unlink()
        assert warned(run) == [diagnostics.IN_PROGRESS]


class TestMetrics:
    def test_nan(self, warned: Any, run_files: Any, epoch: Any) -> None:
        lost = epoch(math.nan, 0.5)
        run = run_files("r", [epoch(0.05), lost, lost, lost, epoch(0.06), lost])
        lines = warned(run)
        assert "val_loss is not a number in epochs 1-3, 5" in lines
        assert "train_mse is not a number in epochs 1-3, 5" in lines

    def test_constant_predictions(self, warned: Any, run_files: Any, epoch: Any) -> None:
        run = run_files("r", [epoch(0.05, 0.0), epoch(0.04, 0.1)])
        (line,) = warned(run)
        assert line == "constant predictions, whose correlations count as 0: epoch 0"

    def test_many_are_not_all_listed(self, warned: Any, run_files: Any, epoch: Any) -> None:
        run = run_files("r", [epoch(0.05, 0.5 * (number % 2)) for number in range(30)])
        (line,) = warned(run)
        assert line.endswith("epochs 0, 2, 4, 6, 8, 10 and 9 more ranges")

    def test_damaged_lines(self, warned: Any, run_files: Any) -> None:
        run = run_files("r")
        table = run / "metrics" / "metrics.csv"
        lines = table.read_text().splitlines()
        lines[1] = "nonsense"
        table.write_text("\n".join(lines) + "\nhalf a line")
        assert "skipped in the metrics, as no row of numbers: line 2" in warned(run)

    def test_a_part_of_the_validation(self, warned: Any, run_files: Any) -> None:
        run = run_files("r", training_parameters={"fast_dev_run": True})
        assert warned(run) == ["validated on a part of the graphs only"]


def test_recorded_warnings_come_last_and_once(warned: Any, run_files: Any) -> None:
    run = run_files("r", warnings=["labels are left out", "labels are left out"])
    assert warned(run, warnings=("a file is damaged",)) == [
        "a file is damaged",
        "labels are left out",
    ]


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        ({}, []),
        ({"val": {"total": 4, "missing": []}}, []),
        ({"val": {"total": 4, "missing": ["a"]}}, ["val: 1 of 4 labelled decoys have no graph"]),
        ({"val": {"missing": ["a", "b"]}}, ["val: 2 labelled decoys have no graph"]),
        ({"val": ["a"], "test": {"missing": "abc"}, "x": None}, []),
    ],
)
def test_coverage(document: dict[str, Any], lines: list[str]) -> None:
    assert diagnostics.of_coverage(document) == lines
