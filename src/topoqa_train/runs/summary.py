"""A run read back from its files: state, best checkpoint, and the figures that checkpoint has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import checkpoint_files, metadata, metrics_file, status
from topoqa_train.runs.checkpoint_files import Shelf
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS, lower_is_better
from topoqa_train.runs.status import Status


@dataclass(frozen=True)
class Candidate:
    """A checkpoint file that exists, with the row of metrics of its epoch.

    `link` is the path it goes by in its run, that of `best.ckpt` say, or the file itself; `links`
    are the names of all links that lead to it, `best.ckpt` first. `epoch` counts from 0 and is
    None where nothing says of which epoch the file is.
    """

    path: Path
    link: Path
    epoch: int | None
    figures: Mapping[str, float] = field(hash=False)
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class Glance:
    """What tells how far a run is: its metadata and state, without its metrics."""

    paths: RunPaths
    metadata: RunMetadata
    status: Status
    foreign: bool = False


@dataclass(frozen=True)
class RunSummary:
    """What readers need of a run, as it was at one moment; nothing here is held open.

    `foreign` says that it is a run of the reference: to be read, never to be written. `rows` has
    one row an epoch, epochs from 0. `warnings` are what a reader must know of its files.
    """

    paths: RunPaths
    metadata: RunMetadata
    status: Status
    rows: list[dict[str, float]] = field(hash=False)
    shelf: Shelf = field(default_factory=Shelf, hash=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    foreign: bool = False
    warnings: tuple[str, ...] = ()

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
        limit = self.parameters.get("limit_val_batches")
        whole = limit is None or (isinstance(limit, float) and limit == 1.0)
        return bool(self.parameters.get("fast_dev_run")) or not whole

    @property
    def seconds(self) -> float:
        """Training time so far, all sittings together."""
        seconds = [row.get("epoch_seconds", 0.0) for row in self.rows]
        return math.fsum(value for value in seconds if math.isfinite(value))

    @property
    def broken_links(self) -> dict[str, str]:
        """Links in model_checkpoints that lead to no file of the run, and what they hold."""
        return dict(self.shelf.broken)

    def checkpoints(self, metric: str | None = None) -> list[Candidate]:
        """Every ranked checkpoint on the disk, best first by `metric` or the ranking metric.

        Those without that figure stand last. Of equals the earlier epoch is the better.
        """
        wanted = metric or self.ranking_metric
        sign = 1.0 if lower_is_better(wanted) else -1.0

        def order(candidate: Candidate) -> tuple[bool, float, float, str]:
            value = candidate.figures.get(wanted, math.nan)
            finite = math.isfinite(value)
            epoch = math.inf if candidate.epoch is None else candidate.epoch
            return (not finite, sign * value if finite else 0.0, epoch, candidate.path.name)

        return sorted(filter(None, map(self._candidate, self.shelf.files)), key=order)

    def best(self, metric: str | None = None) -> Candidate | None:
        """The checkpoint on the disk that is best by `metric` (default: the ranking metric).

        For a metric that checkpoints aren't kept by, it is the run's best by its ranking metric.
        The figures are those of the very epoch that the file is of.
        """
        wanted = metric if metric in (VAL_LOSS, SELECTION) else self.ranking_metric
        name = "best.ckpt" if wanted == self.ranking_metric else f"best_{wanted}.ckpt"
        link = self.paths.checkpoints / name
        file = self.shelf.links.get(link) or self._named(link)
        return None if file is None else self._candidate(file)

    def _named(self, link: Path) -> Path | None:
        """The file behind a link that a copy of the run lost."""
        lost = link.name not in self.shelf.broken
        file = _written_links(self.paths, self.metadata).get(link) if lost else None
        return file if file in self.shelf.files else None

    def _candidate(self, file: Path) -> Candidate | None:
        epoch = epoch_of(file.name)
        row = next((row for row in reversed(self.rows) if row["epoch"] == epoch), None)
        if row is None:
            return None
        links = self.shelf.links_to(file)
        return Candidate(
            file, links[0] if links else file, epoch, row, tuple(link.name for link in links)
        )


def glance(paths: RunPaths, clock: Clock) -> Glance:
    """Read what a run is, but not what it measured; raises `RequestError` as `read` does."""
    document = metadata.read(paths.metadata)
    return Glance(paths, document, status.derive(paths, document, clock))


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
        shelf=_shelf(paths, document),
        parameters=document.training_parameters,
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


def _shelf(paths: RunPaths, document: RunMetadata) -> Shelf:
    """The run's checkpoints; a copy that stands where a link could not be made counts as one."""
    shelf = checkpoint_files.scan(paths.root, [paths.checkpoints])
    copies = {
        link: file
        for link, file in _written_links(paths, document).items()
        if link in shelf.files and file in shelf.files
    }
    return replace(shelf, links={**shelf.links, **copies})


def _written_links(paths: RunPaths, document: RunMetadata) -> dict[Path, Path]:
    """What the metadata say that the links are; nothing is looked at."""
    links = document.checkpoints.get("links")
    return {
        paths.root / link: (paths.root / link).parent / name
        for link, name in (links.items() if isinstance(links, Mapping) else ())
        if isinstance(link, str) and isinstance(name, str) and Path(name).name == name
    }


def epoch_of(name: str) -> int | None:
    """The epoch, from 0, in the name of a ranked checkpoint; None for any other name."""
    _, found, rest = name.rpartition("_epoch")
    digits = rest.removesuffix(".chkpt")
    return int(digits) if found and digits.isdecimal() else None
