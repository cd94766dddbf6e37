"""Runs of the reference, and what else looks like one: read with patience, never written.

Its metadata may lack any field or hold it in another shape, its metrics are Lightning's own tables
and its links may lead to another machine. Whatever can't be made out is left out, with a line that
says so; nothing outside the run's own folder is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from topoqa_train.clock import Clock, iso
from topoqa_train.runs import checkpoint_files, status
from topoqa_train.runs.checkpoint_files import Shelf
from topoqa_train.runs.checkpoint_metrics import row_of
from topoqa_train.runs.legacy import fields, metrics
from topoqa_train.runs.legacy import parameters as legacy_parameters
from topoqa_train.runs.legacy import selection as legacy_selection
from topoqa_train.runs.metadata import RunMetadata, finite
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import SELECTION
from topoqa_train.runs.status import Status

_CREATED = ("created", "created_at", "started", "started_at", "start_time", "start", "timestamp")
_COMPLETED = ("completed", "completed_at", "finished", "finished_at", "end_time", "ended")
_ENDED = (*_COMPLETED, "end")
_SECTIONS = ("runtime", "progress")
_READ_APART = {"run_name", "created", "completed", "status"}
_TEXTS = {"job", "source_config", "notes", "trial_label"}
_MAPPINGS = {
    *("overrides", "git", "host", "training_parameters", "data", "started_from"),
    *("selection", "runtime", "checkpoints", "progress", "test", "error"),
}
_MAPPINGS_OF_TEXT = {"environment", "versions"}
_OPTIONAL = {"git", "started_from", "test", "error"}
_STATES = {
    Status.COMPLETED: ("completed", "complete", "finished", "done", "success", "succeeded"),
    Status.FAILED: ("failed", "failure", "error", "crashed"),
    Status.INTERRUPTED: (
        *("interrupted", "stopped", "aborted", "killed"),
        *("cancelled", "canceled", "terminated"),
    ),
}
# Of a `runtime` of any shape: what is the whole, and what only sounds like it.
_WHOLE_TIME = re.compile(r"second|duration|elapsed|total|wall|runtime|hours|minutes|(^|_)time($|_)")
_PART_OF_TIME = re.compile(
    r"mean|avg|average|median|min($|_)|max|best|last|first|per_|_per|epoch|step|batch|remain|left|"
    r"estimat|eta|start|ended|end_|(^|_)end($|_)|created|completed|finished|stamp"
)
# The time of each epoch, in a list.
_TIMES_OF_EPOCHS = re.compile(
    r"epoch.*(second|duration|time)|(second|duration|time)s?_(per|of)_epoch"
)

# `created` may be without a zone: files newer than it by this much are not of its beginning.
_NEWER_SECONDS = 36 * 3600.0
_COPIED = "no file of it is as old as the training: if copied lately, it may have ended long ago"

# What metadata have to say of a training for its config to be left unread, which takes a while.
_NEEDED = {"learning_rate", "batch_size", "num_epochs", "early_stopping_patience"}
_UNITS = (("hour", 3600.0), ("minute", 60.0))


@dataclass(frozen=True)
class Body:
    """What a run measured and kept."""

    selection: Mapping[str, Any] = field(hash=False)
    rows: list[dict[str, float]] = field(hash=False)
    shelf: Shelf = field(hash=False)
    parameters: Mapping[str, Any] = field(hash=False)
    seconds: float | None
    warnings: tuple[str, ...]


def is_ours(raw: Mapping[str, Any]) -> bool:
    """Whether a metadata document is of this program: only ours name their process and state."""
    return isinstance(raw.get("process"), Mapping) and raw.get("status") in tuple(Status)


def looks_foreign(paths: RunPaths) -> bool:
    """Whether the files are the reference's, going by its metrics alone."""
    return not paths.metrics.exists() and bool(metrics.tables(paths.root))


def head(paths: RunPaths, raw: Mapping[str, Any], clock: Clock) -> tuple[RunMetadata, Status]:
    """What a run is and how far it came; `raw` is empty where there are no metadata."""
    created = _moment_in(raw, _CREATED) or _created(paths)
    completed = _completed(raw)
    written = _written_state(raw, completed)
    document = RunMetadata.model_validate(
        {
            **_fields(raw),
            "run_name": raw["run_name"] if _is_text(raw.get("run_name")) else paths.run_id,
            "created": iso(created),
            "completed": None if completed is None else iso(completed),
            "status": str(written),
        }
    )
    state = written
    if written == Status.RUNNING and not status.beats(_beating(paths), clock):
        state = Status.INTERRUPTED
    return document, state


def body(paths: RunPaths, raw: Mapping[str, Any], until: datetime | None) -> Body:
    """What a run measured; the selection metric of each epoch is worked out.

    `until` is now for a run that has no end yet, and None for one that has.
    """
    shelf = checkpoint_files.scan(paths.root, folders(paths))
    rows, faults = metrics.read(paths.root)
    config, more = legacy_parameters.config_document(_configs(paths) if _terse(raw) else ())
    settings, doubt = _selection(raw, config, shelf, rows)
    copied = until is not None and _looks_copied(paths, raw)
    return Body(
        selection=settings.document(),
        rows=metrics.whole([_with_selection(row, settings) for row in rows]),
        shelf=shelf,
        parameters=finite(legacy_parameters.parameters(raw, config)),
        seconds=_seconds(raw, None if copied else until),
        warnings=(*faults, *more, *doubt, *([_COPIED] if copied else [])),
    )


def trained_with(paths: RunPaths) -> dict[str, Any]:
    """The learning parameters that a run's config alone gives; empty where there is none."""
    config, _ = legacy_parameters.config_document(_configs(paths))
    parameters: dict[str, Any] = finite(legacy_parameters.parameters({}, config))
    return parameters


def _fields(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have the shape that they have with us; the others as they were written."""
    fields: dict[str, Any] = {}
    odd: dict[str, Any] = {}
    for name, value in finite(raw).items():
        if name not in RunMetadata.model_fields:
            if not hasattr(RunMetadata, name):
                fields[name] = value
            else:
                odd[name] = value
        elif (taken := _field(name, value)) is not None:
            fields[name] = taken
        elif value is not None and not (
            name in _READ_APART and isinstance(value, str | int | float)
        ):
            odd[name] = value
    return {**fields, **({"as_written": odd} if odd else {})}


def _field(name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if name in _MAPPINGS and isinstance(value, Mapping):
        return value or (None if name in _OPTIONAL else {})
    if name in _MAPPINGS_OF_TEXT and isinstance(value, Mapping):
        return {key: str(item) for key, item in value.items()}
    if name in _TEXTS and isinstance(value, str | int | float):
        return str(value)
    if name in ("command", "warnings"):
        items = value if isinstance(value, list) else [value]
        return [str(item) for item in items if item is not None]
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _moment_in(raw: Mapping[str, Any], names: Sequence[str]) -> datetime | None:
    """The first of `names` that gives a time, on top or where the reference keeps its times."""
    sections = [raw, *(raw[name] for name in _SECTIONS if isinstance(raw.get(name), Mapping))]
    found = (fields.moment(part.get(name)) for part in sections for name in names)
    return next((each for each in found if each is not None), None)


def _completed(raw: Mapping[str, Any]) -> datetime | None:
    """When it was over; where `completed` itself is there, nothing else is asked."""
    if "completed" in raw:
        return fields.moment(raw["completed"]) if _is_set(raw["completed"]) else None
    return _moment_in(raw, _COMPLETED)


def _created(paths: RunPaths) -> datetime:
    """From the directory's name, which has a time in it, or from the oldest of its files."""
    named = fields.stamp(paths.run_id)
    if named is not None:
        return named
    moments = list(_moments([paths.root, *_beating(paths)]))
    return datetime.fromtimestamp(min(moments, default=0.0), UTC)


def _written_state(raw: Mapping[str, Any], completed: datetime | None) -> Status:
    sections = [raw, *(part for part in map(raw.get, _SECTIONS) if isinstance(part, Mapping))]
    text = next((_word(part["status"]) for part in sections if part.get("status")), "")
    for state in (Status.FAILED, Status.INTERRUPTED, Status.COMPLETED):
        if text in _STATES[state]:
            return state
    said = [part["completed"] for part in sections if "completed" in part]
    if completed is not None or (said and _is_set(said[0])):
        return Status.COMPLETED
    return Status.RUNNING


def _word(value: object) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _is_set(value: object) -> bool:
    """Whether `completed` says that it is, in whatever way."""
    said = fields.truth(value)
    return bool(value) if said is None else said


def _beating(paths: RunPaths) -> list[Path]:
    """The files that a training of the reference touches as it goes."""
    tables = metrics.tables(paths.root)
    return [paths.metadata, paths.console_log, paths.checkpoints, *tables]


def _looks_copied(paths: RunPaths, raw: Mapping[str, Any]) -> bool:
    """Whether no file is as old as the training, as after a copy that gave them all new times.

    What a training writes as it begins, its config say, is as old as itself.
    """
    begun = _moment_in(raw, _CREATED)
    oldest = min(_moments([*_beating(paths), *_configs(paths)]), default=math.inf)
    return begun is not None and oldest - begun.timestamp() > _NEWER_SECONDS


def _moments(files: Iterable[Path]) -> Iterable[float]:
    for file in files:
        try:
            yield file.stat().st_mtime
        except OSError:
            continue


def folders(paths: RunPaths) -> list[Path]:
    """Where a run of the reference may keep checkpoints and links to them."""
    return [paths.checkpoints, paths.root / "checkpoints", paths.root]


def _configs(paths: RunPaths) -> list[Path]:
    """Where the config of a run may be: the one in effect first."""
    places = (paths.config, paths.root / "config.yaml", paths.original_config)
    return [
        file
        for file in places
        if file.is_file() and checkpoint_files.leads_within(file, paths.root)
    ]


def _terse(raw: Mapping[str, Any]) -> bool:
    """Whether the metadata leave it to the config how the run was trained or selected."""
    trained = legacy_parameters.parameters(raw, {})
    return not (trained.keys() >= _NEEDED and legacy_selection.tells_all(raw))


def _selection(
    raw: Mapping[str, Any],
    config: Mapping[str, Any],
    shelf: Shelf,
    rows: Sequence[Mapping[str, float]],
) -> tuple[legacy_selection.Settings, tuple[str, ...]]:
    selection = raw.get("selection")
    if isinstance(selection, str):
        selection = {"primary_metric": selection}
    sources = (selection if isinstance(selection, Mapping) else {}, raw, config)
    told = legacy_selection.settings(sources)
    if told is not None:
        return told, ()
    named = [checkpoint_files.parse(file.name) for file in shelf.files]
    settings, doubt = legacy_selection.guessed([(each, row_of(each.epoch, rows)) for each in named])
    return settings, (doubt,) if rows or shelf.files else ()


def _with_selection(
    row: Mapping[str, float], settings: legacy_selection.Settings
) -> dict[str, float]:
    """The row; a selection metric that the run wrote itself stands."""
    written = row.get(SELECTION, math.nan)
    return {**row, SELECTION: written if math.isfinite(written) else settings.value(row)}


def _seconds(raw: Mapping[str, Any], until: datetime | None) -> float | None:
    """How long it trained: what `runtime` says, or from its beginning to its end."""
    said = runtime_seconds(raw.get("runtime"))
    begun, ended = _moment_in(raw, _CREATED), _moment_in(raw, _ENDED) or until
    if said is not None or begun is None or ended is None:
        return said
    return max(0.0, (ended - begun).total_seconds())


def runtime_seconds(value: object) -> float | None:
    """The whole time in a `runtime` of any shape: a number, a text, or a mapping of many things."""
    if not isinstance(value, Mapping):
        return fields.duration(value)
    named = [
        (name.lower(), item)
        for name, item in fields.walk(value)
        if _WHOLE_TIME.search(name.lower()) and not _PART_OF_TIME.search(name.lower())
    ]
    # `total_seconds` before `duration`, and that before a `validation_time` perhaps.
    named.sort(key=lambda pair: (pair[0] != "seconds", "total" not in pair[0]))
    for name, item in named:
        seconds = fields.duration(item)
        if seconds is not None:
            return seconds * next((unit for word, unit in _UNITS if word in name), 1.0)
    return _of_epochs(value)


def _of_epochs(runtime: Mapping[str, Any]) -> float | None:
    """The sum of the epochs' times, where they are listed."""
    for name, item in fields.walk(runtime):
        if _TIMES_OF_EPOCHS.search(name.lower()) and isinstance(item, list) and item:
            seconds = [fields.duration(each) for each in item]
            if None not in seconds:
                return math.fsum(each for each in seconds if each is not None)
    return None
