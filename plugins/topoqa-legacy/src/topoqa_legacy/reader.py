"""The reader: metadata, metrics and settings of one run directory, put together.

Metadata may miss any field or hold it in another shape, and links may name another machine's
folders. What can't be read is left out, with a warning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from topoqa_legacy import metrics, settings
from topoqa_legacy.settings import Selection
from topoqa_legacy.values import is_inside, moment, moment_in_name, number, section, switch
from topoqa_train.api import RunContents, iso

KIND = "a run of the previous pipeline"
Metadata = Mapping[str, Any]
_RERUN_WARNING = (
    "Its data loader used only the first graph of each batch; now every graph counts, so its "
    "numbers can't be reproduced."
)
# Fields with a meaning in new runs that such a run can't have.
_NEW_FIELDS = {"process", "config", "session", "resumed", "rerun_of", "begun_by", "again_of"}
_FAILED = {"failed", "error", "crashed"}
_STOPPED = {"interrupted", "stopped", "aborted", "killed", "cancelled"}
# `created` may be without a zone, so a file counts as that old within a day and a half.
_SAME_TIME_SECONDS = 36 * 3600.0


class LegacyReader:
    """Reads runs of the previous pipeline; see `topoqa_train.api.RunReader`."""

    def recognises(self, folder: Path, metadata: Metadata | None) -> bool:
        """Return whether metadata or Lightning's tables are of the previous pipeline."""
        if metadata is not None:
            return not isinstance(metadata.get("process"), Mapping)
        if (folder / "run_metadata.json").exists():
            # Damaged: the place of its table shows whether it is a new run.
            likely = not (folder / "metrics/metrics.csv").exists()
        else:
            likely = (folder / "model_checkpoints").is_dir()
        return likely and bool(metrics.tables(folder))

    def glance(self, folder: Path, metadata: Metadata | None) -> RunContents:
        """Return kind, metadata and tables."""
        tables = tuple(metrics.tables(folder))
        return RunContents(KIND, _document(folder, metadata or {}, tables), tables)

    def read(self, folder: Path, metadata: Metadata | None) -> RunContents:
        """Return all that is known of the run."""
        raw = metadata or {}
        found = self.glance(folder, raw)
        rows, errors = metrics.read(found.tables)
        config, more = settings.read_config(_configs(folder))
        recorded = section(raw, "training_parameters")
        selection = settings.selection((raw, config))
        if selection is None:
            more.append("its selection settings are not recorded: ranked by val_loss")
            selection = _unrecorded(folder)
        return replace(
            found,
            metadata={
                **found.metadata,
                "selection": {**section(raw, "selection"), **selection.document()},
            },
            rows=metrics.whole([_with_selection(row, selection) for row in rows]),
            parameters={**recorded, **settings.parameters((config, recorded))},
            checkpoint_folders=(folder / "model_checkpoints", folder / "checkpoints", folder),
            seconds=_seconds(folder, raw, found.tables),
            warnings=(*errors, *more),
            rerun_warning=_RERUN_WARNING,
        )


def _document(folder: Path, raw: Metadata, tables: tuple[Path, ...]) -> dict[str, Any]:
    """Return the metadata under the names of new runs, with times and status in their form."""
    completed = moment(raw.get("completed"))
    read_here = {"run_name", "created", "completed", "status", *_NEW_FIELDS}
    kept = {
        name: value for name, value in raw.items() if name not in read_here and value is not None
    }
    name = raw.get("run_name")
    return {
        **kept,
        "run_name": name if isinstance(name, str) and name.strip() else folder.name,
        "created": iso(moment(raw.get("created")) or _created(folder, tables)),
        "completed": None if completed is None else iso(completed),
        "status": _status(raw),
    }


def _status(raw: Metadata) -> str:
    written = raw.get("status")
    word = written.strip().lower() if isinstance(written, str) else ""
    if word in _FAILED:
        return "failed"
    if word in _STOPPED:
        return "interrupted"
    completed = raw.get("completed")
    is_set = switch(completed)
    return "completed" if (bool(completed) if is_set is None else is_set) else "running"


def _created(folder: Path, tables: tuple[Path, ...]) -> datetime:
    """Return the time in the directory's name, or that of the oldest file."""
    named = moment_in_name(folder.name)
    oldest = min(
        _times(folder / "run_metadata.json", *_configs(folder), *tables, folder), default=0.0
    )
    return named or datetime.fromtimestamp(oldest, UTC)


def _times(*files: Path) -> list[float]:
    return [file.stat().st_mtime for file in files if file.exists()]


def _configs(folder: Path) -> list[Path]:
    """Return the configs of a run, the one in effect first."""
    names = ("config/config.yaml", "config.yaml", "config/original_config.yaml")
    files = (folder / name for name in names)
    return [file for file in files if file.is_file() and is_inside(file, folder)]


def _with_selection(row: Mapping[str, float], selection: Selection) -> dict[str, float]:
    written = row.get(settings.SELECTION, math.nan)
    value = written if math.isfinite(written) else selection.value(row)
    return {**row, settings.SELECTION: value}


def _unrecorded(folder: Path) -> Selection:
    """Return the settings of a run that records none: val_loss ranks.

    Names such as `checkpoint.sel-0.49300_...` show that it had a selection metric, of unknown
    weight.
    """
    if any((folder / "model_checkpoints").glob("*sel-*")):
        return Selection(use=True, weight=None, delta=None)
    return Selection(use=False)


def _seconds(folder: Path, raw: Metadata, tables: tuple[Path, ...]) -> float | None:
    """Return the training time: as recorded, or from the start to the end or the last epoch."""
    runtime = section(raw, "runtime")
    for name in ("training_seconds", "total_seconds"):
        if (recorded := number(runtime.get(name))) is not None and recorded >= 0:
            return recorded
    epochs = runtime.get("epoch_seconds")
    seconds = [number(each) for each in epochs] if isinstance(epochs, list) else []
    if seconds and None not in seconds:
        return math.fsum(each for each in seconds if each is not None)
    started, ended = moment(raw.get("created")), moment(raw.get("completed"))
    if started is None:
        return None
    if ended is not None:
        return max(0.0, (ended - started).total_seconds())
    # A copy may have given all files new times; then the last epoch's is not to be trusted.
    begun = min(_times(*_configs(folder), *tables), default=math.inf)
    if begun - started.timestamp() > _SAME_TIME_SECONDS:
        return None
    return max(0.0, max(_times(*tables), default=0.0) - started.timestamp()) or None
