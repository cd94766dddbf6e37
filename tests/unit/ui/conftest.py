from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from topoqa_train.runs.events import EpochEnded
from topoqa_train.views.progress import DataSummary, Plan, PlannedJob, PlannedPhase

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def lines() -> Callable[[RenderableType, int], list[str]]:
    """What a renderable shows on a colour terminal of that width, without colours.

    No line may be wider than the terminal.
    """

    def _lines(shown: RenderableType, width: int) -> list[str]:
        file = io.StringIO()
        terminal = Console(file=file, force_terminal=True, width=width, color_system="truecolor")
        terminal.print(shown)
        plain = [line.rstrip() for line in CONTROL.sub("", file.getvalue()).splitlines()]
        for line in plain:
            assert cell_len(line) <= width, line
        return plain

    return _lines


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    """A plan of phases with jobs, each of so many epochs."""

    def _plan(
        phases: dict[str, list[str]], epochs: int = 260, at_once: int = 2, **data: float
    ) -> Plan:
        jobs = tuple(
            PlannedJob(phase, name, "/configs/x.yaml", epochs, {}, {})
            for phase, names in phases.items()
            for name in names
        )
        demo = DataSummary(
            "demo", 24, {"train": 256, "val": 64, "test": 64}, data.get("coverage", 100.0)
        )
        planned = tuple(PlannedPhase(name, tuple(names)) for name, names in phases.items())
        return Plan("run_core", planned, jobs, (demo,), at_once)

    return _plan


@pytest.fixture
def epoch_ended() -> Callable[..., EpochEnded]:
    """The event of an epoch, counted from 1."""

    def _event(job: str, number: int, of: int = 260, seconds: float = 0.5) -> EpochEnded:
        return EpochEnded(
            job=job,
            epoch=number,
            num_epochs=of,
            seconds=seconds,
            metrics={"val_loss": 0.0541, "val_spearman_corr": 0.7},
            ranking_metric="selection_metric",
            best_value=-0.6481,
            best_epoch=max(0, number - 1),
        )

    return _event
