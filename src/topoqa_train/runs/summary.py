"""A run read back from its files: state, best checkpoint, and the figures that checkpoint has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import checkpoint_files, checkpoint_metrics, metadata, metrics_file, status
from topoqa_train.runs.checkpoint_files import Shelf
from topoqa_train.runs.legacy import reader
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS, lower_is_better
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import is_run, whereabouts


@dataclass(frozen=True)
class Candidate:
    """A checkpoint file that exists, with the row of metrics of its epoch.

    `link` is the path it goes by in its run, that of `best.ckpt` say, or the file itself; `links`
    are the names of all links that lead to it, `best.ckpt` first. `epoch` counts from 0 and is
    None where nothing says of which epoch the file is. `doubt` is a line on what the file's name
    and the metrics do not agree in: then only what its name says stands in `figures`.
    """

    path: Path
    link: Path
    epoch: int | None
    figures: Mapping[str, float] = field(hash=False)
    links: tuple[str, ...] = ()
    doubt: str | None = None


@dataclass(frozen=True)
class Glance:
    """What tells how far a run is: its metadata and state, without its metrics."""

    paths: RunPaths
    metadata: RunMetadata
    status: Status
    foreign: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict, hash=False)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunSummary:
    """What readers need of a run, as it was at one moment; nothing here is held open.

    `foreign` says that it is a run of the reference: to be read, never to be written. `rows` has
    one row an epoch, epochs from 0. `recorded_seconds` is what was written down of the training
    time as a whole. `warnings` are what a reader must know of its files.
    """

    paths: RunPaths
    metadata: RunMetadata
    status: Status
    rows: list[dict[str, float]] = field(hash=False)
    shelf: Shelf = field(default_factory=Shelf, hash=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    foreign: bool = False
    recorded_seconds: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def ranking_metric(self) -> str:
        """What this run's checkpoints are ranked by."""
        return str(self.metadata.selection.get("ranking_metric", VAL_LOSS))

    @property
    def selection_settings(self) -> tuple[Any, ...]:
        """What two runs must share for their selection metrics to be comparable."""
        names = ("use_val_spearman", "spearman_weight", "spearman_min_delta")
        values = (self.metadata.selection.get(name) for name in names)
        # Metadata may hold anything: a list would be no key of a set.
        return tuple(
            value if isinstance(value, bool | int | float | str | None) else repr(value)
            for value in values
        )

    @property
    def limited(self) -> bool:
        """Whether batches of validation were left out, as in a fast dev run."""
        limit = self.parameters.get("limit_val_batches")
        whole = limit is None or (isinstance(limit, float) and limit == 1.0)
        return bool(self.parameters.get("fast_dev_run")) or not whole

    @property
    def seconds(self) -> float:
        """Training time so far, all sittings together; 0 where nothing tells it."""
        seconds = [row.get("epoch_seconds", 0.0) for row in self.rows]
        measured = math.fsum(value for value in seconds if math.isfinite(value))
        return measured or self.recorded_seconds or 0.0

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
        if self.foreign:
            return next(iter(self.checkpoints(wanted)), None)
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
        found = checkpoint_metrics.prove(file.name, self.rows)
        known = checkpoint_metrics.row_of(epoch_of(file.name), self.rows) is not None
        if not (self.foreign or known):
            return None
        links = self.shelf.links_to(file)
        names = tuple(link.name for link in links)
        link = links[0] if links else file
        return Candidate(file, link, found.epoch, found.figures, names, found.doubt)


def glance(paths: RunPaths, clock: Clock) -> Glance:
    """Read what a run is, but not what it measured; raises `RequestError` as `read` does."""
    return steady(paths, lambda place: _glance(place, clock))


def read(paths: RunPaths, clock: Clock) -> RunSummary:
    """Read a run; raises `RequestError` where there is none, or where it can't be read.

    One that was moved to `history/`, be it meanwhile, is read there; `paths` of the result say so.
    """
    return steady(paths, lambda place: _read(place, clock))


_Seen = TypeVar("_Seen")


def steady(paths: RunPaths, look: Callable[[RunPaths], _Seen]) -> _Seen:
    """What `look` sees of a run where it is; it looks once more if the run was moved meanwhile."""
    place = whereabouts(paths)
    try:
        seen = look(place)
    except RequestError:
        if whereabouts(place) == place:
            raise
    else:
        # One rename moves a run: while it is in its place, all that was read was there.
        if is_run(place.root):
            return seen
    return look(whereabouts(place))


def _glance(paths: RunPaths, clock: Clock) -> Glance:
    try:
        raw = metadata.load(paths.metadata)
    except RequestError as error:
        missing = isinstance(error, metadata.MissingMetadataError)
        if not (is_run(paths.root) if missing else reader.looks_foreign(paths)):
            raise
        fault = f"it has no {paths.metadata.name}" if missing else error.message
        return Glance(paths, *reader.head(paths, {}, clock), foreign=True, warnings=(fault,))
    if not reader.is_ours(raw):
        return Glance(paths, *reader.head(paths, raw, clock), foreign=True, raw=raw)
    document = metadata.checked(raw, paths.metadata)
    return Glance(paths, document, status.derive(paths, document, clock))


def _read(paths: RunPaths, clock: Clock) -> RunSummary:
    seen = _glance(paths, clock)
    found = _foreign(seen, clock) if seen.foreign else _own(seen)
    files = [
        file.name for file in found.shelf.files if seen.foreign or epoch_of(file.name) is not None
    ]
    doubts = [checkpoint_metrics.prove(name, found.rows).doubt for name in files]
    return replace(found, warnings=(*found.warnings, *filter(None, doubts)))


def _own(seen: Glance) -> RunSummary:
    shelf = _shelf(seen.paths, seen.metadata)  # first: a row is written before its checkpoint
    try:
        rows = metrics_file.read(seen.paths.metrics)
    except OSError as error:
        raise RequestError(f"{seen.paths.metrics} can't be read: {error.strerror}") from error
    return RunSummary(
        paths=seen.paths,
        metadata=seen.metadata,
        status=seen.status,
        rows=rows,
        shelf=shelf,
        parameters=seen.metadata.training_parameters or reader.trained_with(seen.paths),
    )


def _foreign(seen: Glance, clock: Clock) -> RunSummary:
    under_way = seen.status == Status.RUNNING
    body = reader.body(seen.paths, seen.raw, clock.now() if under_way else None)
    selection = {**seen.metadata.selection, **body.selection}
    return RunSummary(
        paths=seen.paths,
        metadata=seen.metadata.model_copy(update={"selection": selection}),
        status=seen.status,
        rows=body.rows,
        shelf=body.shelf,
        parameters=body.parameters,
        foreign=True,
        recorded_seconds=body.seconds,
        warnings=(*seen.warnings, *body.warnings),
    )


def read_all(
    runs: list[RunPaths], clock: Clock, advance: Callable[[int], None] = lambda _: None
) -> tuple[list[RunSummary], list[str]]:
    """Read many; a run that can't be read is a line in the second list, not an error.

    `advance` is called with 1 after each.
    """
    good: list[RunSummary] = []
    bad: list[str] = []
    for paths in runs:
        try:
            good.append(read(paths, clock))
        except RequestError as error:
            bad.append(error.message)
        advance(1)
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
