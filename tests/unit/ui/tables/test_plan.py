from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from topoqa_train.ui.tables.plan import plan_table
from topoqa_train.views.progress import Change, Plan, PlannedJob, PlannedPhase

NAME = "large_batch_sched_boost_lr035_seed1337"
EPOCHS = Change("trainer.num_epochs", "260", "10", "command line")
GRAPHS = Change("paths.graph", None, "/data/[graphs]/of/long/path", "manifests/x.yaml:6")
OPTIONS = ("limit_train_batches: 3",)
COUNTS = {"train": 256, "val": 64, "test": 64}


@pytest.fixture
def plan() -> Plan:
    jobs = (
        PlannedJob("sweep", NAME, "/here/configs/x.yaml", 260, COUNTS, (EPOCHS, GRAPHS), OPTIONS),
        PlannedJob("phase 1", "…_finetune_phase1", "/elsewhere/y.yaml", 320, {"val": 5}, (EPOCHS,)),
    )
    phases = (PlannedPhase("sweep", (NAME,)), PlannedPhase("phase 1", ("…",)))
    return Plan("run_core", phases, jobs, (), 1)


@pytest.mark.parametrize("width", [80, 200])
def test_it_shows_jobs_configs_graphs_epochs_and_every_change(
    plan: Plan, lines: Callable[..., list[str]], width: int
) -> None:
    written = lines(plan_table(plan, Path("/here"), width), width)
    assert written[0].startswith("run_core: 1 in sweep, 1 in phase 1; 1 at once")
    whole = "\n".join(written)
    for part in (NAME, "260", "320", "256/64/64", "x.yaml", "y.yaml", "limit_train_batches: 3"):
        assert part in whole
    assert "trainer.num_epochs: 260 -> 10" in whole
    assert "all jobs (command line)" in whole
    assert "paths.graph: unset -> /data/[graphs]/of/long/path" in whole
    assert f"{NAME} (manifests/x.yaml:6)" in whole
    if width == 200:
        assert "configs/x.yaml" in whole
        assert "/here" not in whole
        assert "/elsewhere" not in whole


def test_without_changes_or_jobs_there_is_no_table_of_them(
    plan: Plan, lines: Callable[..., list[str]]
) -> None:
    plain = replace(plan, jobs=tuple(replace(job, changes=(), options=()) for job in plan.jobs))
    written = lines(plan_table(plain, Path("/here"), 80), 80)
    assert not any("overrides" in line for line in written)
    assert "y.yaml" in written[-1]
    nothing = Plan("run_core", (), (), (), 1)
    assert lines(plan_table(nothing, Path("/here"), 80), 80) == [
        "run_core: nothing to train; 1 at once"
    ]
