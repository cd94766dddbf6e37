"""Graphs that nobody reads, a fake clock, and pipelines that only record their arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from topoqa_ramdisk.pipelines import Plan
from topoqa_ramdisk.settings import LoadedSettings, Settings
from topoqa_ramdisk.stopping import Stop


@pytest.fixture
def graphs(tmp_path: Path) -> Path:
    """A folder with two graphs, one in a sub-folder, and a builder's documents."""
    folder = tmp_path / "data" / "graph_data"
    (folder / "1ABC").mkdir(parents=True)
    (folder / "2XYZ_001.pt").write_bytes(b"x" * 5000)
    (folder / "1ABC" / "001.pt").write_bytes(b"y" * 100)
    (folder / "graph_builder_summary.json").write_text("{}")
    (folder.parent / "graph_metadata.json").write_text('{"2XYZ_001": {}}')
    return folder


@dataclass
class FakeClock:
    """A clock that only a test moves."""

    moment: datetime = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
    ticks: float = 1000.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.ticks

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.ticks += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@dataclass
class Recorder:
    """A guardian that remembers."""

    markers: list[Path] = field(default_factory=list)

    def marker(self, path: Path) -> None:
        self.markers.append(path)


@dataclass
class FakePipelines:
    """Plans what it was given; running calls `on_run` with the arguments."""

    planned: Plan
    on_run: Callable[[list[str]], None] = lambda arguments: None
    guardian: Recorder = field(default_factory=Recorder)
    stop: Stop = field(default_factory=Stop)
    asked: list[list[str]] = field(default_factory=list)
    ran: list[list[str]] = field(default_factory=list)

    def plan(self, arguments: Sequence[str]) -> Plan:
        self.asked.append(list(arguments))
        return self.planned

    def run(self, arguments: Sequence[str]) -> None:
        self.ran.append(list(arguments))
        self.on_run(list(arguments))


@pytest.fixture
def pipelines(graphs: Path, tmp_path: Path) -> Callable[..., FakePipelines]:
    def make(on_run: Callable[[list[str]], None] | None = None, **changes: Any) -> FakePipelines:
        plan = {
            "manifest": "m.yaml",
            "output_root": tmp_path / "runs",
            "graph_folders": (str(graphs),),
            "jobs": 2,
            "epochs": 4,
            "skip_sweep": False,
            "skip_fine": True,
            "resume": False,
            "resume_from": None,
            **changes,
        }
        return FakePipelines(Plan(**plan), on_run or (lambda arguments: None))

    return make


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., LoadedSettings]:
    """Settings as they are after loading."""

    def make(**values: Any) -> LoadedSettings:
        return LoadedSettings(tmp_path / "ramdisk.yaml", Settings(**values))

    return make
