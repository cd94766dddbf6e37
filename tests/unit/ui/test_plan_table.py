from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from topoqa_train.runs.reporting import Plan, PlannedJob, PlannedPhase
from topoqa_train.ui.plan_table import plan_table

NAME = "large_batch_sched_boost_lr035_seed1337"


@pytest.fixture
def plan() -> Plan:
    changes = {"trainer.num_epochs": "10", "paths.graph": "/data/[graphs]/of/long/path"}
    jobs = (
        PlannedJob("sweep", NAME, "/here/configs/x.yaml", 260, {}, changes),
        PlannedJob("phase 1", "BASE_finetune_phase1", "/elsewhere/y.yaml", 320, {}, {}),
    )
    phases = (PlannedPhase("sweep", (NAME,)), PlannedPhase("phase 1", ("BASE",)))
    return Plan("run_core", phases, jobs, (), 1)


@pytest.mark.parametrize("width", [80, 200])
def test_it_shows_jobs_configs_epochs_and_every_change(
    plan: Plan, lines: Callable[..., list[str]], width: int
) -> None:
    written = lines(plan_table(plan, Path("/here")), width)
    assert written[0].startswith("run_core: 1 in sweep, 1 in phase 1; 1 at once")
    # Folded cells run on below: put the lines together again.
    text = "".join("".join(line.split()) for line in written)
    for part in ("260", "320", "y.yaml", "num_epochs=10"):
        assert part in text
    if width == 200:
        whole = "\n".join(written)
        for part in (NAME, "configs/x.yaml", "paths.graph=/data/[graphs]/of/long/path"):
            assert part in whole
        assert "/here" not in whole
        assert "/elsewhere" not in whole
