"""The public interface for plugins.

Plugins import this module and `topoqa_train.errors`, nothing else. Importing it is fast: functions
load torch when they are called, classes when they are first used. Names in `__all__` keep their
meaning in all versions 0.1; nothing else is stable.
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
from topoqa_train.bounded_read import content as read_file
from topoqa_train.bounded_read import opened as open_file
from topoqa_train.clock import Clock, SystemClock, iso, stamp
from topoqa_train.datasets import (
    CACHE_VARIABLE,
    DataSetPaths,
    Progress,
    build_once,
    cache_folder,
)
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
from topoqa_train.ui.console import notify
from topoqa_train.ui.console import out as output_console
from topoqa_train.ui.live.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from pydantic import BaseModel
    from torch import Tensor

    from topoqa_train.labels.label_file import Label
    from topoqa_train.launch.base import Launcher
    from topoqa_train.launch.children import ChildLauncher
    from topoqa_train.runs.readers import RunContents, RunReader
    from topoqa_train.runs.summary import RunSummary
    from topoqa_train.trackers import TrackedRun, Tracker
    from topoqa_train.training.data.collate import GraphBatch
    from topoqa_train.training.data.graphs import Graph
    from topoqa_train.training.model.build import ModelOptions

__all__ = [
    "CACHE_VARIABLE",
    "ChildLauncher",
    "Clock",
    "DataError",
    "DataSetPaths",
    "Graph",
    "GraphBatch",
    "InterruptedRunError",
    "Label",
    "Launcher",
    "MachineError",
    "ModelOptions",
    "Progress",
    "RequestError",
    "RunContents",
    "RunReader",
    "RunSummary",
    "SystemClock",
    "TerminatedRunError",
    "TopoqaTrainError",
    "TrackedRun",
    "Tracker",
    "TrainingError",
    "append_line",
    "build_once",
    "cache_folder",
    "error_console",
    "evaluate",
    "find_config",
    "find_graphs",
    "forward_unknown_options",
    "graph_errors",
    "iso",
    "load_settings",
    "new_file",
    "notify",
    "open_file",
    "output_console",
    "progress",
    "read_file",
    "read_graph",
    "read_json",
    "read_labels",
    "read_run",
    "read_runs",
    "replacing",
    "segment_max",
    "segment_sum",
    "stamp",
    "target_of",
    "write_bytes",
    "write_graph",
    "write_json",
    "write_text",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class of a module that is slow to import
    # Written out, because an import with a computed name escapes type checkers and the check that
    # imports point only downwards.
    match name:
        case "ChildLauncher":
            from topoqa_train.launch.children import ChildLauncher

            return ChildLauncher
        case "Graph":
            from topoqa_train.training.data.graphs import Graph

            return Graph
        case "GraphBatch":
            from topoqa_train.training.data.collate import GraphBatch

            return GraphBatch
        case "Label":
            from topoqa_train.labels.label_file import Label

            return Label
        case "Launcher":
            from topoqa_train.launch.base import Launcher

            return Launcher
        case "ModelOptions":
            from topoqa_train.training.model.build import ModelOptions

            return ModelOptions
        case "RunContents":
            from topoqa_train.runs.readers import RunContents

            return RunContents
        case "RunReader":
            from topoqa_train.runs.readers import RunReader

            return RunReader
        case "RunSummary":
            from topoqa_train.runs.summary import RunSummary

            return RunSummary
        case "TrackedRun":
            from topoqa_train.trackers import TrackedRun

            return TrackedRun
        case "Tracker":
            from topoqa_train.trackers import Tracker

            return Tracker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


Command = TypeVar("Command", bound=Callable[..., None])
Settings = TypeVar("Settings", bound="BaseModel")


def forward_unknown_options(command: Command) -> Command:
    """Let `command` accept unknown options, to forward them to another command.

    They are in `args` of its `typer.Context`, with their values.
    """
    settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    vars(command)["context_settings"] = settings
    return command


def find_config(path: Path) -> Path:
    """Return `path` if it exists, else the shipped config of that name (`configs/x.yaml`).

    Raises:
        RequestError: neither exists; the message suggests the nearest name.
    """
    from topoqa_train.config import recipes

    return recipes.locate("configs", path)


def load_settings(path: Path, model: type[Settings]) -> Settings:
    """Read a plugin's YAML file as its pydantic `model`; forbid extra keys to report typos.

    Raises:
        RequestError: with line, key and nearest known key of every error.
    """
    from topoqa_train.config import load

    return load.load_settings(path, model)


def read_runs(root: Path) -> tuple[list[RunSummary], list[str]]:
    """Return all runs under `root`, with `history/`, and a line for each unreadable one."""
    from topoqa_train.runs import store, summary

    return summary.read_all(store.RunStore(root).all(), SystemClock())


def read_run(run_dir: Path) -> RunSummary:
    """Return one run as it is now, running or not; raises `RequestError` if it can't be read.

    A run that was moved to `history/` meanwhile is read there; `paths` of the result say so.
    """
    from topoqa_train.runs import paths, summary

    return summary.read(paths.RunPaths(run_dir), SystemClock())


def target_of(model: str) -> str:
    """Return the target of a decoy: the part of its name before the first `_` or `/`."""
    from topoqa_train.labels import label_file

    return label_file.target_of(model)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from an untrusted file; raises `DataError`. It can be written again."""
    from topoqa_train.training.data import builder_metadata

    return builder_metadata.read_document(path)


def read_labels(path: Path) -> Sequence[Label]:
    """Return the rows of a label file that have a dockq; raises `DataError`."""
    from topoqa_train.labels import label_file

    if not path.is_file():
        raise DataError(f"label file {path} does not exist")
    return label_file.read_labels(path, split="given").rows


def find_graphs(folder: Path, models: Sequence[str]) -> dict[str, Path]:
    """Return the graph file of each decoy under `folder`, found as a training finds it.

    Raises:
        DataError: `folder` does not exist, or decoys have no graph; names them.
    """
    from topoqa_train.labels.graph_index import GraphIndex

    index = GraphIndex.scan(folder)
    found = {model: index.find(model) for model in models}
    missing = [model for model, path in found.items() if path is None]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(found)} decoys have no graph under {folder}",
            details=missing[:10],
        )
    return {model: path for model, path in found.items() if path is not None}


def evaluate(predicted: ArrayLike, dockq: ArrayLike, targets: Sequence[str]) -> dict[str, float]:
    """Return the validation metrics by name, of predictions [g] for decoys of these targets.

    They are the metrics that a training writes; an undefined one is 0.
    """
    from topoqa_train.training import metrics

    return metrics.evaluate(predicted, dockq, targets).values


def segment_sum(values: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Sum the rows of each segment: [m, ...] and [m] int64 in any order to [segments, ...].

    With `batch.batch` and `batch.num_graphs` it pools the nodes of each graph. Both passes are
    deterministic on every device.
    """
    from topoqa_train.training.model import layers

    return layers.segment_sum(values, segment, segments)


def segment_max(values: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Take the maximum of each column [m, c] per segment, 0 without rows; see `segment_sum`."""
    from topoqa_train.training.model import layers

    return layers.segment_max(values, segment, segments)


def read_graph(path: Path) -> Graph:
    """Read one `.pt` graph without running code from it; raises `DataError`.

    A torch-geometric `Data` of x [n, node_dim], edge_index [2, e] and edge_attr [e, edge_dim].
    """
    from topoqa_train.training.data import graphs

    return graphs.read_graph(path)


def graph_errors(graph: Graph) -> list[str]:
    """Return a message for each error that makes a graph unusable for training."""
    from topoqa_train.training.data import graphs

    return graphs.graph_errors(graph)


def write_graph(path: Path, x: Any, edge_index: Any, edge_attr: Any) -> None:  # noqa: ANN401
    """Write one graph atomically from arrays or tensors, shapes as in `read_graph`."""
    from topoqa_train.training.data import graphs

    graphs.write_graph(path, x, edge_index, edge_attr)
