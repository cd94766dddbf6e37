from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train.ui.tables.outcomes import outcome_lines
from topoqa_train.views.progress import JobOutcome

HERE = Path("/here")
ROOT = HERE / "training_runs"
LONG = "large_batch_sched_boost_lr035_seed1337"
STAMP = "2026-01-31_12-00-00"
OUTCOMES = (
    JobOutcome("short", "done", ROOT / f"short_{STAMP}", "selection_metric", -0.65912, 86, 112.0),
    JobOutcome(LONG, "failed", Path("/elsewhere") / f"{LONG}_{STAMP}", "selection_metric"),
    JobOutcome("never", "not started"),
)


def plain(width: int) -> list[str]:
    return [line.plain for line in outcome_lines(OUTCOMES, HERE, width)]


def test_one_line_per_job_on_a_wide_terminal() -> None:
    heading, done, failed, never = plain(200)
    assert heading.split() == ["job", "state", "selection", "epoch", "time", "run"]
    assert done.split() == [
        *("short", "done", "-0.6591", "86", "1:52"),
        f"training_runs/short_{STAMP}",
    ]
    assert failed.split() == [LONG, "failed", "-", "-", "0:00", f"/elsewhere/{LONG}_{STAMP}"]
    assert never.split() == ["never", "not", "started", "-", "-", "-"]


def test_narrow_each_run_has_a_line_of_its_own_and_none_is_cut() -> None:
    lines = plain(80)
    assert lines[2] == f"  training_runs/short_{STAMP}"
    assert lines[4] == f"  /elsewhere/{LONG}_{STAMP}"
    assert len(lines) == 6
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("width", [80, 200])
def test_columns_are_aligned(width: int) -> None:
    heading, *rows = [line for line in plain(width) if not line.startswith("  ")]
    at = heading.index("state")
    assert [row[at:].split("  ")[0] for row in rows] == ["done", "failed", "not started"]


def test_jobs_without_metrics_have_a_heading() -> None:
    (heading, *_) = outcome_lines([JobOutcome("never", "not started")], HERE, 80)
    assert heading.plain.split() == ["job", "state", "best", "epoch", "time", "run"]
