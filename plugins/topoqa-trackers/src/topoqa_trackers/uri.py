"""The store that a config's `mlflow.tracking_uri` means."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

DATABASE = "mlflow.db"
_SQLITE = "sqlite:///"
# One letter and a colon is a drive, not a scheme.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_PASSWORD = re.compile(r"(?<=://)[^/\s]*@")


class Place(NamedTuple):
    """A store of MLflow: its address as MLflow takes it, and for SQLite the file behind it."""

    uri: str
    database: Path | None = None


def place_of(tracking_uri: str, folder: Path) -> Place:
    """Return the store that `tracking_uri` means in `folder`.

    A path or a `file:` address is a folder with a SQLite database, since MLflow dropped its file
    store. Other addresses stay as they are, except that a relative SQLite file becomes absolute.
    """
    if tracking_uri.startswith(_SQLITE):
        name, query, options = tracking_uri.removeprefix(_SQLITE).partition("?")
        if name in ("", ":memory:"):
            return Place(tracking_uri)
        return _sqlite(folder, Path(name), query + options)
    if tracking_uri.startswith("file:"):
        return _sqlite(folder, Path(unquote(urlsplit(tracking_uri).path), DATABASE))
    if tracking_uri == "databricks" or _SCHEME.match(tracking_uri):
        return Place(tracking_uri)
    return _sqlite(folder, Path(tracking_uri, DATABASE))


def without_password(text: str) -> str:
    """Return `text` without what is before the `@` of an address."""
    return _PASSWORD.sub("", text)


def _sqlite(folder: Path, database: Path, options: str = "") -> Place:
    # Not `resolve`: a link to a large disk is what the user asked for.
    absolute = Path(os.path.normpath(folder / database.expanduser()))
    return Place(f"{_SQLITE}{absolute}{options}", absolute)
