"""Where a config's `mlflow.tracking_uri` leads."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

DATABASE = "mlflow.db"
ARTIFACTS = "artifacts"
_SQLITE = "sqlite:///"
# One letter and a colon is a drive, not a scheme.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_SECRET = re.compile(r"(?<=://)[^/\s]*@")


@dataclass(frozen=True)
class TrackingPlace:
    """A store of MLflow: its address as MLflow takes it, and for SQLite the file behind it."""

    uri: str
    database: Path | None = None

    @property
    def artifacts(self) -> Path | None:
        """Where the artifacts of a new experiment go; None leaves it to the server."""
        return None if self.database is None else self.database.parent / ARTIFACTS


def place_of(tracking_uri: str, folder: Path) -> TrackingPlace:
    """The store that `tracking_uri` means for whoever works in `folder`.

    A path is a folder with a SQLite database in it, since MLflow gave its file store up; so is a
    `file:` address. What has another scheme is left as it is, a relative SQLite file apart.
    """
    if tracking_uri.startswith(_SQLITE):
        name, query, options = tracking_uri.removeprefix(_SQLITE).partition("?")
        if name in ("", ":memory:"):
            return TrackingPlace(tracking_uri)
        return _sqlite(_absolute(folder, name), query + options)
    if tracking_uri.startswith("file:"):
        return _sqlite(_absolute(folder, unquote(urlsplit(tracking_uri).path)) / DATABASE)
    if tracking_uri == "databricks" or _SCHEME.match(tracking_uri):
        return TrackingPlace(tracking_uri)
    return _sqlite(_absolute(folder, tracking_uri) / DATABASE)


def without_secret(text: str) -> str:
    """`text` with what stands before the `@` of an address left out."""
    return _SECRET.sub("", text)


def _sqlite(database: Path, options: str = "") -> TrackingPlace:
    return TrackingPlace(f"{_SQLITE}{database}{options}", database)


def _absolute(folder: Path, name: str) -> Path:
    # Not `resolve`: a link to a large disk is the user's word for it.
    return Path(os.path.normpath(folder / Path(name).expanduser()))
