"""Readers of run directories that another program wrote; plugins of `topoqa_train.run_readers`.

A reader is asked only about a folder whose metadata are missing, unreadable or not this program's
own. Its plugin is imported then, never earlier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from topoqa_train import log
from topoqa_train.errors import RequestError
from topoqa_train.plugins import discovery
from topoqa_train.plugins.discovery import Plugin, PluginError

_log = log.get(__name__)
Metadata = Mapping[str, Any]


@dataclass(frozen=True)
class RunContents:
    """A run of another program, in this program's terms.

    Attributes:
        kind: what it is, as in "a run of the previous pipeline"; it can be read, never written.
        metadata: fields as in `run_metadata.json`. `run_name`, `created` and `status` are needed.
            A status `running` holds only while one of the run's files is younger than 15 minutes.
        tables: the files that its training writes metrics to.
        warnings: what a reader of its metrics must know.
        rows: one mapping of column to number per epoch, in order; `epoch` counts from 0.
        parameters: as `training_parameters` of `run_metadata.json`.
        checkpoint_folders: where its checkpoints and links to them are.
        seconds: training time as a whole, None if unknown.
        rerun_warning: why a rerun cannot reproduce its metrics.
    """

    kind: str
    metadata: Metadata
    tables: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    rows: Sequence[Mapping[str, float]] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_folders: tuple[Path, ...] = ()
    seconds: float | None = None
    rerun_warning: str = ""


class RunReader(Protocol):
    """What the entry point names is called without arguments and returns one of these.

    `metadata` is the JSON object in the folder's `run_metadata.json`, None if that is missing or
    unreadable. No method writes anything.
    """

    def recognises(self, folder: Path, metadata: Metadata | None) -> bool:
        """Return quickly whether `folder` is a run that this reader can read."""
        ...

    def glance(self, folder: Path, metadata: Metadata | None) -> RunContents:
        """Return kind, metadata, tables and warnings; the rest may be left out."""
        ...

    def read(self, folder: Path, metadata: Metadata | None) -> RunContents:
        """Return all that is known of the run."""
        ...


@dataclass(frozen=True)
class InstalledReader:
    """A reader and the plugin that brought it."""

    plugin: Plugin
    reader: RunReader

    def recognises(self, folder: Path, metadata: Metadata | None) -> bool:
        """Return the reader's answer; raises `PluginError` naming the plugin if it fails."""
        try:
            with self.plugin.attribute_errors():
                return self.reader.recognises(folder, metadata)
        except OSError:
            return False

    def contents(self, folder: Path, metadata: Metadata | None, *, metrics: bool) -> RunContents:
        """Return what the reader finds, its metrics only on demand.

        Raises:
            RequestError: it can't be read, or the reader fails; folder or plugin is named.
        """
        read = self.reader.read if metrics else self.reader.glance
        try:
            with self.plugin.attribute_errors():
                return read(folder, metadata)
        except OSError as error:
            raise RequestError(f"{folder} can't be read: {error.strerror or error}") from error


@cache
def installed() -> list[InstalledReader]:
    """Return the readers that can be loaded; a warning names each that cannot."""
    found = []
    for plugin in discovery.discover(discovery.RUN_READERS).values():
        try:
            make = plugin.load()
            with plugin.attribute_errors():
                found.append(InstalledReader(plugin, make()))
        except (RequestError, OSError) as error:
            _log.warning("%s", error)
    return found


def find(folder: Path, metadata: Metadata | None = None) -> InstalledReader | None:
    """Return the first reader that recognises `folder`, or None.

    A reader that fails is named in a warning and not asked again by this process.
    """
    if not folder.is_dir():
        return None
    for each in list(installed()):
        try:
            if each.recognises(folder, metadata):
                return each
        except PluginError as error:
            _log.warning("%s", error)
            installed().remove(each)
    return None
