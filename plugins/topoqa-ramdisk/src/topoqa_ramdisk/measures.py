"""What a pipeline took, from the clock and from the files of its runs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topoqa_train import api

if TYPE_CHECKING:
    from topoqa_train.runs.summary import RunSummary

# Fine-tunes are called after the run that they start from, which has its time in its name.
_STAMP = re.compile(r"_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d+)?")
_NOT_A_NUMBER_OF_THE_RUN = "epoch_seconds"


@dataclass(frozen=True)
class RunMeasure:
    """One run. `rows` and `test` are its numbers, `process` the process that trained it."""

    run_id: str
    job: str
    epochs: int
    seconds_in_epochs: float
    read_seconds: float | None
    process: tuple[Any, Any]
    fingerprint: str | None
    rows: tuple[Mapping[str, float], ...]
    test: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return the entry for the benchmark's file."""
        names = ("run_id", "job", "epochs", "seconds_in_epochs", "read_seconds", "fingerprint")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Side:
    """One pipeline: where its graphs lay, where its runs are, what it took."""

    graph_dir: Path
    output_root: Path
    num_workers: int | None
    seconds: float
    runs: tuple[RunMeasure, ...]

    @property
    def epochs(self) -> int:
        """Of all runs together."""
        return sum(run.epochs for run in self.runs)

    @property
    def epoch_seconds(self) -> float | None:
        """Mean seconds of an epoch."""
        total = sum(run.seconds_in_epochs for run in self.runs)
        return total / self.epochs if self.epochs else None

    @property
    def read_seconds(self) -> float | None:
        """Mean seconds that a process took to read all graphs; each reads them once."""
        of_processes = {
            (run.process, run.read_seconds) for run in self.runs if run.read_seconds is not None
        }
        if not of_processes:
            return None
        return sum(seconds for _, seconds in of_processes) / len(of_processes)

    def to_json(self) -> dict[str, Any]:
        """Return the entry for the benchmark's file."""
        return {
            "graph_dir": str(self.graph_dir),
            "output_root": str(self.output_root),
            "num_workers": self.num_workers,
            "seconds": self.seconds,
            "epochs": self.epochs,
            "epoch_seconds": self.epoch_seconds,
            "read_seconds": self.read_seconds,
            "runs": [run.to_json() for run in self.runs],
        }


def runs_of(root: Path, graph_dir: Path, since: datetime) -> tuple[RunMeasure, ...]:
    """Return the runs under `root` that were trained on `graph_dir` since then, oldest first."""
    # Times in the files are cut to a millisecond.
    begin = since.replace(microsecond=since.microsecond // 1000 * 1000)
    found, _ = api.read_runs(root)
    ours = [
        run
        for run in found
        if run.metadata.data.get("graph") == str(graph_dir)
        and datetime.fromisoformat(run.metadata.created) >= begin
    ]
    return tuple(_measure(run) for run in sorted(ours, key=lambda run: run.metadata.created))


def _measure(run: RunSummary) -> RunMeasure:
    document = run.metadata
    return RunMeasure(
        run_id=run.paths.run_id,
        job=document.job or run.paths.run_id,
        epochs=len(run.rows),
        seconds_in_epochs=math.fsum(row.get("epoch_seconds", 0.0) for row in run.rows),
        read_seconds=document.data.get("read_seconds"),
        process=(document.process.get("pid"), document.process.get("started")),
        fingerprint=document.data.get("fingerprint"),
        rows=tuple(run.rows),
        test=document.test,
    )


def differing(one: Sequence[RunMeasure], other: Sequence[RunMeasure]) -> list[str]:
    """Names of jobs whose numbers are not equal bit for bit on both sides; empty if all are."""
    left, right = _by_job(one), _by_job(other)
    return sorted(job for job in left.keys() | right.keys() if left.get(job) != right.get(job))


def _by_job(runs: Sequence[RunMeasure]) -> dict[str, str]:
    return {_STAMP.sub("", run.job): _numbers(run) for run in runs}


def _numbers(run: RunMeasure) -> str:
    """Return all numbers as text with every bit, and equal text for any NaN."""
    rows = [
        sorted((name, repr(value)) for name, value in row.items() if not _is_time(name))
        for row in run.rows
    ]
    return repr((run.fingerprint, rows, sorted((run.test or {}).items())))


def _is_time(name: str) -> bool:
    return name == _NOT_A_NUMBER_OF_THE_RUN


def ratio(baseline: float | None, ramdisk: float | None) -> float | None:
    """Return how many times as fast, or None where one side has no value."""
    if baseline is None or not ramdisk:
        return None
    return baseline / ramdisk
