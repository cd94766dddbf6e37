"""What became of a benchmark: the file, and the table on the screen."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topoqa_ramdisk import measures
from topoqa_ramdisk.measures import Side
from topoqa_ramdisk.plan import BenchmarkPlan, plan_document
from topoqa_ramdisk.sizes import shown_size
from topoqa_train import api

if TYPE_CHECKING:
    from rich.table import Table

_RATIOS = ("pipeline", "with_staging", "reading", "epoch")
_CACHED = 0.5
_BUSY = 0.5
_NONE = "-"


@dataclass(frozen=True)
class Staged:
    """The graphs in memory: where, what bringing them there took, and whether they are gone."""

    folder: Path
    seconds: float
    taken_down: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the entry for the benchmark's file."""
        return {
            "folder": str(self.folder),
            "seconds": self.seconds,
            "taken_down": self.taken_down,
        }


@dataclass
class Report:
    """What became of it, for the file and the screen."""

    plan: BenchmarkPlan
    path: Path
    created: str
    command: Sequence[str] = field(default_factory=lambda: ["topoqa-train", *sys.argv[1:]])
    status: str = "running"
    completed: str | None = None
    page_cache: float | None = None
    load: float | None = None
    baseline: Side | None = None
    ramdisk: Side | None = None
    staged: Staged | None = None

    @property
    def differing(self) -> list[str] | None:
        """Jobs whose numbers differ between the sides; None where there is but one side."""
        if self.baseline is None or self.ramdisk is None:
            return None
        return measures.differing(self.baseline.runs, self.ramdisk.runs)

    def speed_up(self) -> dict[str, float | None]:
        """How many times as fast from memory."""
        one, other = self.baseline, self.ramdisk
        if one is None or other is None or self.staged is None:
            return dict.fromkeys(_RATIOS)
        return {
            "pipeline": measures.ratio(one.seconds, other.seconds),
            "with_staging": measures.ratio(one.seconds, other.seconds + self.staged.seconds),
            "reading": measures.ratio(one.read_seconds, other.read_seconds),
            "epoch": measures.ratio(one.epoch_seconds, other.epoch_seconds),
        }

    def to_json(self) -> dict[str, Any]:
        """Return the JSON document."""
        differing = self.differing
        return {
            "created": self.created,
            "completed": self.completed,
            "status": self.status,
            "command": list(self.command),
            "test_mode": not self.plan.disk.in_memory,
            **plan_document(self.plan),
            "page_cache_share_before": self.page_cache,
            "staging": None if self.staged is None else self.staged.to_json(),
            "baseline": None if self.baseline is None else self.baseline.to_json(),
            "ramdisk": None if self.ramdisk is None else self.ramdisk.to_json(),
            "speed_up": self.speed_up(),
            "numbers_equal": None if differing is None else not differing,
            "jobs_that_differ": differing,
            "host": {
                "name": platform.node(),
                "system": platform.platform(),
                "cores": os.cpu_count(),
                "load_before": self.load,
            },
        }

    def write(self) -> None:
        """Replace the file."""
        api.write_json(self.path, self.to_json())


def show_plan(plan: BenchmarkPlan, *, as_json: bool) -> None:
    """Print a plan on standard output."""
    if as_json:
        print(json.dumps(plan_document(plan), indent=2))  # noqa: T201 - a JSON document for scripts
        return
    api.output_console().print(plan_table(plan))


def show_report(report: Report, *, as_json: bool) -> None:
    """Print a report on standard output."""
    if as_json:
        print(json.dumps(report.to_json(), indent=2))  # noqa: T201 - a JSON document for scripts
        return
    out = api.output_console()
    out.print(result_table(report))
    for line in closing_lines(report):
        out.print(line)
    # Unbroken, so that it can be taken up whole.
    out.print(f"Benchmark: {shown_path(report.path)}", soft_wrap=True)


def plan_table(plan: BenchmarkPlan) -> Table:
    """Return the plan as lines of text."""
    free = "" if plan.room is None else f", {shown_size(plan.room.size)} free"
    kind = plan.disk.kind if plan.disk.in_memory else "an ordinary folder: test mode, no RAM disk"
    headroom = shown_size(plan.request.settings.settings.headroom)
    rows = [
        ("graphs", f"{len(plan.graphs.graphs)} in {plan.graphs.source}"),
        ("staged", f"{shown_size(plan.graphs.memory)} in {plan.folder} ({kind}{free})"),
        (
            "memory",
            f"{shown_size(plan.needed)} needed, {headroom} of it headroom; "
            f"{shown_size(plan.available.size)} available",
        ),
        ("settings", str(plan.request.settings.file)),
        ("results", str(plan.reports)),
    ]
    if not plan.request.skip_baseline:
        root = plan.reports / "ramdisk_benchmark_<time>_baseline"
        rows.append(("baseline", _command(plan.baseline_arguments(root))))
    rows.append(("ramdisk", _command(plan.ramdisk_arguments(plan.folder / plan.graphs.folder))))
    return _grid(rows)


def _command(arguments: Sequence[str]) -> str:
    return shlex.join(["topoqa-train", "pipeline", *arguments])


def _grid(rows: Sequence[tuple[str, str]]) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def result_table(report: Report) -> Table:
    """Return a table with the values of both sides."""
    from rich.table import Table

    one, other, ratios = report.baseline, report.ramdisk, report.speed_up()
    table = Table("seconds", box=None, pad_edge=False)
    for name in ("disk", "memory", "speed-up"):
        table.add_column(name, justify="right")
    staged = report.staged.seconds if report.staged else 0.0
    rows: tuple[tuple[str, str, Callable[[Side], float | None], float], ...] = (
        ("pipeline", "pipeline", lambda side: side.seconds, 0.0),
        ("with staging", "with_staging", lambda side: side.seconds, staged),
        ("reading graphs", "reading", lambda side: side.read_seconds, 0.0),
        ("an epoch", "epoch", lambda side: side.epoch_seconds, 0.0),
    )
    for name, ratio, value, more in rows:
        left = value(one) if one else None
        right = value(other) if other else None
        right = right + more if right is not None else None
        table.add_row(name, _figure(left), _figure(right), _figure(ratios[ratio], "x"))
    return table


def closing_lines(report: Report) -> list[str]:
    """Return notes on the measurements."""
    lines = []
    differing = report.differing
    if differing:
        lines.append(f"The numbers of both pipelines differ: {', '.join(differing)}")
    elif differing is not None and report.baseline is not None:
        lines.append(f"Numbers: equal bit for bit in all {len(report.baseline.runs)} runs")
    if not report.plan.disk.in_memory:
        lines.append("Test mode: no RAM disk was created, so its speed was not measured.")
    if report.baseline is not None and report.page_cache is not None:
        lines.append(
            f"Page cache: {100 * report.page_cache:.0f} % of the graphs were in memory before the "
            "baseline read them" + _what_that_means(report.page_cache)
        )
    cores = os.cpu_count() or 1
    if report.baseline is not None and report.load is not None and report.load > cores * _BUSY:
        lines.append(
            f"The machine was busy before the start (load {report.load:.1f}, {cores} cores): "
            "this may affect the measurements"
        )
    return lines


def _what_that_means(share: float) -> str:
    return ", and a disk is as fast as memory then" if share > _CACHED else ""


def _figure(value: float | None, unit: str = "") -> str:
    return _NONE if value is None else f"{value:.2f}{unit}"


def shown_path(path: Path) -> str:
    """Relative to the working directory where it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
