"""A run read back from its files: state, best checkpoint, and the figures that checkpoint has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import metadata, metrics_file, status
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS
from topoqa_train.runs.status import Status


@dataclass(frozen=True)
class Candidate:
    """A checkpoint file that exists, with the row of metrics.csv of its epoch.

    `link` is the name it goes by in its run, `best.ckpt` say, or the file itself.
    """

    path: Path
    link: Path
    epoch: int
    figures: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True)
class RunSummary:
    """What readers need of a run; nothing here is held open."""

    paths: RunPaths
    metadata: RunMetadata
    status: Status
    rows: list[dict[str, float]] = field(hash=False)

    @property
    def ranking_metric(self) -> str:
        """What this run's checkpoints are ranked by."""
        return str(self.metadata.selection.get("ranking_metric", VAL_LOSS))

    @property
    def selection_settings(self) -> tuple[Any, ...]:
        """What two runs must share for their selection metrics to be comparable."""
        names = ("use_val_spearman", "spearman_weight", "spearman_min_delta")
        return tuple(self.metadata.selection.get(name) for name in names)

    @property
    def limited(self) -> bool:
        """Whether batches of validation were left out, as in a fast dev run."""
        options = self.metadata.training_parameters
        return bool(options.get("fast_dev_run")) or options.get("limit_val_batches") is not None

    @property
    def seconds(self) -> float:
        """Training time so far, all sittings together."""
        return math.fsum(row.get("epoch_seconds", 0.0) for row in self.rows)

    def best(self, metric: str | None = None) -> Candidate | None:
        """The checkpoint on the disk that is best by `metric` (default: the ranking metric).

        For a metric that checkpoints aren't kept by, it is the run's best by its ranking metric.
        The figures are those of the very epoch that the file is of.
        """
        wanted = metric if metric in (VAL_LOSS, SELECTION) else self.ranking_metric
        name = "best.ckpt" if wanted == self.ranking_metric else f"best_{wanted}.ckpt"
        link = self.paths.checkpoints / name
        file = _target(link) if link.is_symlink() else self._named(link)
        if file is None:
            return None
        epoch = epoch_of(file.name)
        by_epoch = {int(row["epoch"]): row for row in self.rows}
        if epoch is None or epoch not in by_epoch:
            return None
        return Candidate(file, link if link.exists() else file, epoch, by_epoch[epoch])

    def _named(self, link: Path) -> Path | None:
        """The file behind a link that could not be made, or that a copy of the run lost."""
        links = self.metadata.checkpoints.get("links")
        name = links.get(self.paths.relative(link)) if isinstance(links, Mapping) else None
        if not isinstance(name, str) or Path(name).name != name:
            return None
        file = link.parent / name
        return file if file.is_file() else None


def read(paths: RunPaths, clock: Clock) -> RunSummary:
    """Read a run; raises `RequestError` where there is none, or where it can't be read."""
    document = metadata.read(paths.metadata)
    try:
        rows = metrics_file.read(paths.metrics)
    except OSError as error:
        raise RequestError(f"{paths.metrics} can't be read: {error.strerror}") from error
    return RunSummary(
        paths=paths,
        metadata=document,
        status=status.derive(paths, document, clock),
        rows=rows,
    )


def read_all(runs: list[RunPaths], clock: Clock) -> tuple[list[RunSummary], list[str]]:
    """Read many; a run that can't be read is a line in the second list, not an error."""
    good: list[RunSummary] = []
    bad: list[str] = []
    for paths in runs:
        try:
            good.append(read(paths, clock))
        except RequestError as error:
            bad.append(error.message)
    return good, bad


def _target(link: Path) -> Path | None:
    try:
        resolved = link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: a loop
        return None
    # A link that leads out of the run is not one of ours.
    return resolved if resolved.parent == link.parent.resolve() else None


def epoch_of(name: str) -> int | None:
    """The epoch, from 0, in the name of a ranked checkpoint; None for any other name."""
    _, found, rest = name.rpartition("_epoch")
    digits = rest.removesuffix(".chkpt")
    return int(digits) if found and digits.isdecimal() else None
