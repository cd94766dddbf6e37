"""What tests share: seeds that are printed, a clock that is set, plugins and runs made of files."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

import pytest
from hypothesis import settings

# A package of its own: tests/e2e/test_plugins.py installs it and runs its tests.
collect_ignore = ["example_plugin"]
SEED_VARIABLE = "TOPOQA_TEST_SEED"

settings.register_profile("ours", deadline=None, print_blob=True, database=None, max_examples=60)
settings.load_profile("ours")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose one seed for all that is random, unless one is given, so that it can be told."""
    given = os.environ.get(SEED_VARIABLE)
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = given or str(random.SystemRandom().randrange(2**32))
    heed_signals()


def heed_signals() -> None:
    """Take back what `nohup`, or a shell that starts a job behind it, has every child ignore."""
    for name, handler in (("SIGHUP", signal.SIG_DFL), ("SIGINT", signal.default_int_handler)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_report_header(config: pytest.Config) -> str:
    seed = config.option.hypothesis_seed
    return f"random tests: seed {seed} ({SEED_VARIABLE}={seed} repeats them)"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that depend on the printed seed and on the test's name alone."""
    return random.Random(f"{request.config.option.hypothesis_seed} {request.node.nodeid}")


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


@pytest.fixture
def install_plugin(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Install a distribution with entry points, as pip would lay it out; gone after the test."""

    def install(
        distribution: str,
        group: str,
        entries: Mapping[str, str],
        modules: Mapping[str, str] | None = None,
    ) -> Path:
        folder = tmp_path_factory.mktemp(distribution)
        about = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        lines = [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, code in (modules or {}).items():
            (folder / f"{name}.py").write_text(dedent(code))
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return install


Links = Literal["links", "copies", "none"]


@dataclass(frozen=True)
class Epoch:
    """What one epoch of a made-up run measured."""

    val_loss: float
    rho: float = 0.5
    extra: Mapping[str, float] = field(default_factory=dict)


@dataclass
class RunFiles:
    """Writes run directories byte by byte as they are documented, with no help of the product."""

    root: Path

    def __call__(
        self,
        name: str,
        epochs: Sequence[Epoch] = (Epoch(0.09), Epoch(0.05), Epoch(0.07), Epoch(0.08)),
        *,
        status: str = "completed",
        ranking_metric: str = "selection_metric",
        weight: float = 1.0,
        process: Mapping[str, Any] | None = None,
        links: Links = "links",
        folder: str = "",
        **metadata: Any,
    ) -> Path:
        run = self.root / folder / name
        for part in ("config", "metrics", "model_checkpoints"):
            (run / part).mkdir(parents=True)
        rows = [_row(number, epoch, weight) for number, epoch in enumerate(epochs)]
        if rows:
            table = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
            text = "".join(",".join(line) + "\n" for line in table)
            (run / "metrics" / "metrics.csv").write_text(text)
        named = self._checkpoints(run / "model_checkpoints", rows, ranking_metric, links)
        document = {
            "run_name": name,
            "created": "2026-01-31T12:00:00.000+00:00",
            "status": status,
            "process": dict(process or {}),
            "selection": {
                "primary_metric": "auto",
                "use_val_spearman": ranking_metric == "selection_metric",
                "spearman_weight": weight,
                "spearman_min_delta": 0.0,
                "ranking_metric": ranking_metric,
            },
            "checkpoints": {
                "ranking_metric": ranking_metric,
                "links": {f"model_checkpoints/{link}": file for link, file in named.items()},
            },
            **metadata,
        }
        (run / "run_metadata.json").write_text(json.dumps(document))
        return run

    @staticmethod
    def _checkpoints(
        folder: Path, rows: Sequence[Mapping[str, float]], metric: str, links: Links
    ) -> dict[str, str]:
        other = "val_loss" if metric == "selection_metric" else "selection_metric"
        ranked = [row for row in rows if not math.isnan(row[metric])]
        order = sorted(ranked, key=lambda row: (row[metric], row["epoch"]))[:3]
        names = dict(zip(("best", "second_best", "third_best"), order, strict=False))
        others = [row for row in rows if not math.isnan(row[other])]
        if others:
            names[f"best_{other}"] = min(others, key=lambda row: (row[other], row["epoch"]))
        made = {}
        for link, row in names.items():
            selected = f"sel-{row['selection_metric']:.5f}_" if metric != "val_loss" else ""
            file = f"checkpoint.{selected}val-{row['val_loss']:.5f}_epoch{row['epoch']}.chkpt"
            (folder / file).write_text(f"weights of epoch {row['epoch']}")
            made[f"{link}.ckpt"] = file
            if links == "links":
                (folder / f"{link}.ckpt").symlink_to(file)
            elif links == "copies":
                (folder / f"{link}.ckpt").write_text(f"weights of epoch {row['epoch']}")
        return made


def _row(number: int, epoch: Epoch, weight: float) -> dict[str, float]:
    return {
        "epoch": number,
        "step": (number + 1) * 4,
        "learning_rate": 0.005,
        "train_mse": epoch.val_loss * 0.9,
        "val_loss": epoch.val_loss,
        "val_pearson_corr": epoch.rho,
        "val_spearman_corr": epoch.rho,
        "selection_metric": epoch.val_loss - weight * max(0.0, epoch.rho),
        "epoch_seconds": 2.5,
        **epoch.extra,
    }


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


@pytest.fixture
def run_files(tmp_path: Path) -> RunFiles:
    """Writes runs under `tmp_path / "runs"`."""
    root = tmp_path / "runs"
    root.mkdir()
    return RunFiles(root)


@pytest.fixture
def epoch() -> type[Epoch]:
    """To say what an epoch of a made-up run measured."""
    return Epoch


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which links can't be made."""

    def refuse(self: Path, target: str, target_is_directory: bool = False) -> None:
        raise PermissionError(1, "Operation not permitted", str(self))

    monkeypatch.setattr(Path, "symlink_to", refuse)
