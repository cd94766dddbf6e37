"""Data sets by name: what a plugin of `topoqa_train.datasets` gives, and how it is asked.

A data set plugin is a callable `prepare(progress) -> DataSetPaths`. It builds what is missing
(into a cache of its own, safely beside other processes) and returns where everything lies.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from topoqa_train import plugins


class Progress(Protocol):
    """Shows that work goes on: `with progress("building", 24) as advance: advance(1)`."""

    def __call__(
        self, description: str, total: int | None
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Begin a task of `total` steps (None: unknown)."""
        ...


@dataclass(frozen=True)
class DataSetPaths:
    """Where a data set lies; all paths absolute.

    `version` changes whenever the same name would give other numbers.
    """

    graph: Path
    train_labels: Path
    val_labels: Path
    test_labels: Path | None
    metadata: Path | None
    summary: Path | None
    name: str
    version: str


def prepare(name: str, progress: Progress) -> DataSetPaths:
    """Have the data set `name` made ready.

    Raises:
        RequestError: no plugin gives that name; the known ones are named.
        PluginError: its plugin cannot be loaded.
    """
    plugin = plugins.find(
        plugins.DATASETS,
        "data set",
        name,
        hint="'demo' comes with the plugin topoqa-graphs: pip install -r requirements.txt",
    )
    result = plugin.load()(progress)
    if not isinstance(result, DataSetPaths):
        raise plugins.PluginError(
            f"the data set '{name}' of {plugin.distribution} gave "
            f"{type(result).__name__}, not DataSetPaths"
        )
    return result
