"""`run_metadata.json`: what a run is, how it was made and how far it has come."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from topoqa_train import atomic, bounded_read
from topoqa_train.errors import RequestError
from topoqa_train.runs.checkpoint_files import leads_within

MAXIMUM_BYTES = 16 * 2**20
MAXIMUM_DEPTH = 64


class RunMetadata(BaseModel):
    """The document, field by field; unknown fields are kept.

    `status` is what the run's process wrote last; `runs.status.derive` checks whether it still
    holds.
    """

    model_config = ConfigDict(extra="allow")

    run_name: str
    created: str
    completed: str | None = None
    status: str = "created"
    job: str | None = None
    # Written as `begun_by` by earlier versions.
    session: dict[str, Any] | None = Field(
        default=None, validation_alias=AliasChoices("session", "begun_by")
    )
    source_config: str | None = None
    overrides: dict[str, Any] = Field(default_factory=dict)
    notes: str | None = None
    trial_label: str | None = None
    command: list[str] = Field(default_factory=list)
    environment: dict[str, str] = Field(default_factory=dict)
    git: dict[str, Any] | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    code: str | None = None
    host: dict[str, Any] = Field(default_factory=dict)
    process: dict[str, Any] = Field(default_factory=dict)
    training_parameters: dict[str, Any] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    started_from: dict[str, Any] | None = None
    # Written as `again_of` by earlier versions.
    rerun_of: dict[str, Any] | None = Field(
        default=None, validation_alias=AliasChoices("rerun_of", "again_of")
    )
    resumed: list[dict[str, Any]] = Field(default_factory=list)
    selection: dict[str, Any] = Field(default_factory=dict)
    runtime: dict[str, Any] = Field(default_factory=dict)
    checkpoints: dict[str, Any] = Field(default_factory=dict)
    progress: dict[str, Any] = Field(default_factory=dict)
    test: dict[str, Any] | None = None
    warnings: list[str] = Field(default_factory=list)
    error: dict[str, Any] | None = None

    def write(self, path: Path) -> None:
        """Replace the file atomically; NaN and infinity are written as null."""
        atomic.write_json(path, finite(self.model_dump(mode="json")))


class MetadataFile:
    """The document of a run and where its only writer keeps it."""

    def __init__(self, path: Path, document: RunMetadata) -> None:
        self.path = path
        self.document = document

    def update(self, **fields: Any) -> None:  # noqa: ANN401 - the fields of RunMetadata
        """Set fields and write the file; raises `AttributeError` for an unknown field."""
        unknown = set(fields) - set(RunMetadata.model_fields)
        if unknown:
            raise AttributeError(f"RunMetadata has no {', '.join(sorted(unknown))}")
        self.document = self.document.model_copy(update=fields)
        self.document.write(self.path)


def read(path: Path) -> RunMetadata:
    """Read the document.

    Raises:
        RequestError: it does not exist or is not valid; the message names the file.
    """
    return checked(load(path), path)


def load(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file, without validation.

    Raises:
        RequestError: it does not exist or can't be read; the message names the file.
    """
    try:
        # Runs come from other people. A link to some other file would be shown in an error.
        if path.exists() and not leads_within(path, path.parent):
            raise RequestError(f"{path} is a link that leads out of the run")
        document = json.loads(bounded_read.content(path, MAXIMUM_BYTES))
        _check_shape(document)
    except (FileNotFoundError, NotADirectoryError):
        raise not_a_run(path.parent, _missing(path)) from None
    except (ValueError, RecursionError, OSError) as error:
        raise _unreadable(path, error) from error
    found: dict[str, Any] = document
    return found


def _check_shape(document: object) -> None:
    """Raise `ValueError` for what is no object, or is nested too deeply to be written again."""
    if not isinstance(document, dict):
        raise ValueError("it holds no JSON object")  # noqa: TRY004 - reported as the others
    # Level by level and without recursion, because a recursive check would itself overflow.
    level: list[Any] = [document]
    for _ in range(MAXIMUM_DEPTH):
        values = (each.values() if isinstance(each, dict) else each for each in level)
        level = [inner for each in values for inner in each if isinstance(inner, dict | list)]
    if level:
        raise ValueError("it is nested too deeply")


def is_own(document: Mapping[str, Any]) -> bool:
    """Return whether this program wrote the document: only it records its process."""
    return isinstance(document.get("process"), Mapping)


def not_a_run(folder: Path, reason: str) -> RequestError:
    """Return the error for a folder that is neither a run of this program nor known to a reader."""
    hint = "To read runs of the previous pipeline: pip install topoqa-legacy"
    return RequestError(
        f"{folder} is not a run of topoqa-train: {reason}",
        hint=hint if folder.is_dir() else None,
    )


def _missing(path: Path) -> str:
    if path.parent.is_dir():
        return f"it has no {path.name}"
    return "it is a file" if path.parent.exists() else "there is no such folder"


def checked(document: Mapping[str, Any], path: Path) -> RunMetadata:
    """Return the valid `document` that was loaded from `path`, or raise `RequestError`."""
    try:
        return RunMetadata.model_validate(document)
    except ValidationError as error:
        raise _unreadable(path, error) from error


def lenient(document: Mapping[str, Any], path: Path) -> RunMetadata:
    """Return the document of another program; fields of another shape go to `as_written`."""
    known = finite(document)
    try:
        return RunMetadata.model_validate(known)
    except ValidationError as error:
        wrong = {str(each["loc"][0]): None for each in error.errors()}
    rest = {name: value for name, value in known.items() if name not in wrong}
    return checked({**rest, "as_written": {name: known.get(name) for name in wrong}}, path)


def _unreadable(path: Path, error: Exception) -> RequestError:
    reason = str(error) or type(error).__name__
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    return RequestError(f"{path} can't be read as a run's metadata: {reason}")


def moment(text: str | None) -> datetime | None:
    """Return the time that `created` or `completed` gives, or None.

    A time without a zone is local time of this machine.
    """
    try:
        return datetime.fromisoformat(text or "").astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return `value` with None for every NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
