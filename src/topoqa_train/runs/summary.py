"""A run read from its files: state, checkpoints and the metrics that each checkpoint has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import checkpoint_files, metadata, metrics_file, readers, status
from topoqa_train.runs.checkpoint_files import Shelf
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS, epoch_of, lower_is_better
from topoqa_train.runs.readers import RunContents
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import current_place, is_run


@dataclass(frozen=True)
class Candidate:
    """A checkpoint file that exists, with the row of metrics of its epoch.

    `link` is the first link to it, such as `best.ckpt`, or the file itself; `links` are the names
    of all links to it. `epoch` counts from 0 and is None if unknown. `doubt` is a
    line on what the file's name and the metrics table disagree about; then `metrics` has only what
    the name says.
    """

    path: Path
    link: Path
    epoch: int | None
    metrics: Mapping[str, float] = field(hash=False)
    links: tuple[str, ...] = ()
    doubt: str | None = None


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What a run is and how far it has come, without its metrics.

    `kind` is empty for a run of this program. Of any other it says what it is, "a run of the
    previous pipeline": such a run can be read, but never written, locked or resumed. `tables` are
    the files that its training writes metrics to. `warnings` are what a reader must know of its
    files.
    """

    paths: RunPaths
    metadata: RunMetadata
    status: Status
    kind: str = ""
    tables: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def read_only(self) -> bool:
        """Whether another program wrote the run."""
        return bool(self.kind)


@dataclass(frozen=True, kw_only=True)
class RunSummary(Glance):
    """What commands show of a run, as it was at one moment; no file stays open.

    `rows` has one row per epoch, epochs from 0. `ranked` are the checkpoint files that take part
    in the ranking. `recorded_seconds` is the training time as a whole, where it was written down.
    `rerun_warning` says why a rerun cannot reproduce the metrics.
    """

    rows: list[dict[str, float]] = field(hash=False)
    shelf: Shelf = field(default_factory=Shelf, hash=False)
    ranked: tuple[Path, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    recorded_seconds: float | None = None
    rerun_warning: str = ""

    @property
    def ranking_metric(self) -> str:
        """The metric that this run's checkpoints are ranked by."""
        return str(self.metadata.selection.get("ranking_metric", VAL_LOSS))

    @property
    def selection_settings(self) -> tuple[Any, ...]:
        """Settings that two runs must share for their selection metrics to be comparable."""
        names = ("use_val_spearman", "spearman_weight", "spearman_min_delta")
        values = (self.metadata.selection.get(name) for name in names)
        # Edited metadata may hold a list, which is not hashable.
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
        """Training time so far over all sessions, 0 if unknown."""
        seconds = [row.get("epoch_seconds", 0.0) for row in self.rows]
        measured = math.fsum(value for value in seconds if math.isfinite(value))
        return measured or self.recorded_seconds or 0.0

    def checkpoints(self, metric: str | None = None) -> list[Candidate]:
        """Return the ranked checkpoints on the disk, best first by `metric` or the ranking metric.

        Those without that metric come last. Of equals the earlier epoch is better.
        """
        wanted = metric or self.ranking_metric
        sign = 1.0 if lower_is_better(wanted) else -1.0

        def order(candidate: Candidate) -> tuple[bool, float, float, str]:
            value = candidate.metrics.get(wanted, math.nan)
            finite = math.isfinite(value)
            epoch = math.inf if candidate.epoch is None else candidate.epoch
            return (not finite, sign * value if finite else 0.0, epoch, candidate.path.name)

        return sorted(map(self._candidate, self.ranked), key=order)

    def best(self, metric: str | None = None) -> Candidate | None:
        """Return the best checkpoint on the disk by `metric` (default: the ranking metric).

        For a metric that checkpoints are not kept by, it is the best by the ranking metric. Its
        metrics are those of the very epoch that the file is of.
        """
        wanted = metric if metric in (VAL_LOSS, SELECTION) else self.ranking_metric
        return next(iter(self.checkpoints(wanted)), None)

    def _candidate(self, file: Path) -> Candidate:
        found = checkpoint_files.match(file.name, self.rows)
        links = self.shelf.links_to(file)
        names = tuple(link.name for link in links)
        link = links[0] if links else file
        return Candidate(file, link, found.epoch, found.metrics, names, found.doubt)


def glance(paths: RunPaths, clock: Clock) -> Glance:
    """Read what a run is, without its metrics; raises `RequestError` as `read` does."""
    return steady(paths, lambda place: _glance(place, clock))


def read(paths: RunPaths, clock: Clock) -> RunSummary:
    """Read a run; one that was moved to `history/` is read there, see `paths` of the result.

    Raises:
        RequestError: there is no run, or it can't be read.
    """
    return steady(paths, lambda place: _read(place, clock))


_Seen = TypeVar("_Seen")


def steady(paths: RunPaths, look: Callable[[RunPaths], _Seen]) -> _Seen:
    """Return what `look` reads of a run; call it again if the run was moved meanwhile."""
    place = current_place(paths)
    try:
        seen = look(place)
    except RequestError:
        if current_place(place) == place:
            raise
    else:
        # A move is one rename: if the run is still in place, all that was read was consistent.
        if is_run(place.root):
            return seen
    return look(current_place(place))


def _glance(paths: RunPaths, clock: Clock) -> Glance:
    return Glance(**_shared_fields(paths, _opened(paths, metrics=False), clock))


def _read(paths: RunPaths, clock: Clock) -> RunSummary:
    opened = _opened(paths, metrics=True)
    # The state comes before the files: a run that ends in between is shown as running with its
    # last epoch, which the next look corrects, and never as completed without it.
    shared = _shared_fields(paths, opened, clock)
    if isinstance(opened, RunMetadata):
        found = RunSummary(**shared, **_own_fields(paths, opened))
    else:
        found = RunSummary(**shared, **_plugin_fields(paths, opened))
    # A file that only looks like a checkpoint of this program is left out without a warning.
    named = [
        file.name
        for file in found.shelf.files
        if file in found.ranked or epoch_of(file.name) is not None
    ]
    doubts = [checkpoint_files.match(name, found.rows).doubt for name in named]
    return replace(found, warnings=(*found.warnings, *filter(None, doubts)))


def _opened(paths: RunPaths, *, metrics: bool) -> RunMetadata | RunContents:
    """Return the run's metadata, or what a plugin reads of a run that this program did not write.

    Raises:
        RequestError: they can't be read, and no reader recognises the run.
    """
    raw: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    error = metadata.not_a_run(paths.root, f"another program wrote its {paths.metadata.name}")
    try:
        raw = metadata.load(paths.metadata)
    except RequestError as unreadable:
        error = unreadable
        there = paths.metadata.exists()
        warnings = (error.message if there else f"it has no {paths.metadata.name}",)
    if raw is not None and metadata.is_own(raw):
        return metadata.checked(raw, paths.metadata)
    # Readers are asked last, because the first question imports every plugin that has one.
    reader = readers.find(paths.root, raw)
    if reader is None:
        raise error
    contents = reader.contents(paths.root, raw, metrics=metrics)
    return replace(contents, warnings=(*warnings, *contents.warnings))


def _shared_fields(
    paths: RunPaths, opened: RunMetadata | RunContents, clock: Clock
) -> dict[str, Any]:
    """Return the fields of a `Glance`."""
    if isinstance(opened, RunMetadata):
        state = status.derive(paths, opened, clock)
        return {"paths": paths, "metadata": opened, "status": state, "tables": (paths.metrics,)}
    document = metadata.lenient(opened.metadata, paths.metadata)
    return {
        "paths": paths,
        "metadata": document,
        "status": status.derive(paths, document, clock, opened.tables),
        "kind": opened.kind,
        "tables": opened.tables,
        "warnings": opened.warnings,
    }


def _plugin_fields(paths: RunPaths, contents: RunContents) -> dict[str, Any]:
    shelf = checkpoint_files.scan(paths.root, contents.checkpoint_folders)
    return {
        "rows": [dict(row) for row in contents.rows],
        "shelf": shelf,
        "ranked": shelf.files,
        "parameters": metadata.finite(contents.parameters),
        "recorded_seconds": contents.seconds,
        "rerun_warning": contents.rerun_warning,
    }


def _own_fields(paths: RunPaths, document: RunMetadata) -> dict[str, Any]:
    # The folder comes before the table, because a row is written before its checkpoint. A
    # checkpoint that is seen while a training writes therefore always has its row.
    shelf = checkpoint_files.scan(paths.root, [paths.checkpoints])
    try:
        rows = metrics_file.read(paths.metrics)
    except OSError as error:
        raise RequestError(f"{paths.metrics} can't be read: {error.strerror}") from error
    known = {row["epoch"] for row in rows}
    return {
        "rows": rows,
        "shelf": shelf,
        # A checkpoint whose epoch has no row may be of another run.
        "ranked": tuple(file for file in shelf.files if epoch_of(file.name) in known),
        "parameters": document.training_parameters,
    }


def read_all(
    runs: list[RunPaths], clock: Clock, advance: Callable[[int], None] = lambda _: None
) -> tuple[list[RunSummary], list[str]]:
    """Read many runs; return those, and a line for each that can't be read.

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
