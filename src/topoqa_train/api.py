"""The only door for plugins: what a package outside this repository may build on.

Plugins import this module and `topoqa_train.errors`, nothing else. Importing it is light; the
functions that need torch load it when they are called.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from topoqa_train.atomic import (
    append_line,
    new_file,
    replacing,
    write_bytes,
    write_json,
    write_text,
)
from topoqa_train.clock import Clock, SystemClock, iso, stamp
from topoqa_train.datasets import DataSetPaths, Progress
from topoqa_train.errors import (
    DataError,
    InterruptedRunError,
    MachineError,
    RequestError,
    TerminatedRunError,
    TopoqaTrainError,
    TrainingError,
)
from topoqa_train.ui.console import err as error_console
from topoqa_train.ui.console import out as output_console
from topoqa_train.ui.console import say
from topoqa_train.ui.progress import progress

if TYPE_CHECKING:
    from pydantic import BaseModel

    from topoqa_train.runs.summary import RunSummary
    from topoqa_train.training.data.graphs import Graph

__all__ = [
    "Clock",
    "DataError",
    "DataSetPaths",
    "InterruptedRunError",
    "MachineError",
    "Progress",
    "RequestError",
    "SystemClock",
    "TerminatedRunError",
    "TopoqaTrainError",
    "TrainingError",
    "append_line",
    "error_console",
    "find_config",
    "graph_faults",
    "iso",
    "load_settings",
    "new_file",
    "output_console",
    "passing_options_on",
    "progress",
    "read_graph",
    "read_runs",
    "replacing",
    "say",
    "stamp",
    "target_of",
    "write_bytes",
    "write_graph",
    "write_json",
    "write_text",
]

Command = TypeVar("Command", bound=Callable[..., None])
Settings = TypeVar("Settings", bound="BaseModel")


def passing_options_on(command: Command) -> Command:
    """For a command that hands options it doesn't know to another one.

    It finds them, with their values, in `args` of its `typer.Context`, in place of a refusal.
    """
    settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    vars(command)["context_settings"] = settings
    return command


def find_config(path: Path) -> Path:
    """The file `path`, or where there is none the shipped one that it names (`configs/x.yaml`).

    Raises:
        RequestError: there is neither; the nearest name is told.
    """
    from topoqa_train.config import recipes

    return recipes.locate("configs", path)


def load_settings(path: Path, model: type[Settings]) -> Settings:
    """A plugin's own YAML file as its pydantic `model`; forbid extra keys, and slips are told.

    Raises:
        RequestError: with the line, the key and the nearest known key of every fault.
    """
    from topoqa_train.config import settings

    return settings.load_settings(path, model)


def read_runs(root: Path) -> tuple[list[RunSummary], list[str]]:
    """All runs under `root`, `history/` too, and a line for each that can't be read."""
    from topoqa_train.runs import store, summary

    return summary.read_all(store.RunStore(root).all(), SystemClock())


def target_of(model: str) -> str:
    """The target of a decoy by its name: what stands before the first `_` or `/`."""
    from topoqa_train.training.data import labels

    return labels.target_of(model)


def read_graph(path: Path) -> Graph:
    """Read one `.pt` graph without running code from it; raises `DataError`."""
    from topoqa_train.training.data import graphs

    return graphs.read_graph(path)


def graph_faults(graph: Graph) -> list[str]:
    """All that makes a graph unfit for training, in words; empty if it is fit."""
    from topoqa_train.training.data import graphs

    return graphs.graph_faults(graph)


def write_graph(path: Path, x: Any, edge_index: Any, edge_attr: Any) -> None:  # noqa: ANN401
    """Write one graph atomically from arrays or tensors, shapes as in `read_graph`."""
    from topoqa_train.training.data import graphs

    graphs.write_graph(path, x, edge_index, edge_attr)
