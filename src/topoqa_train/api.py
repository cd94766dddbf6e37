"""The only door for plugins: what a package outside this repository may build on.

Plugins import this module and `topoqa_train.errors`, nothing else. Importing it is light: what
needs torch loads it when it is called, or, where it is a class, when it is asked for. What stands
in `__all__` keeps its name and its meaning through all versions 0.1; nothing else is promised.
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


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class that takes seconds to import
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
    from topoqa_train.config import plugin_settings

    return plugin_settings.load_settings(path, model)


def read_runs(root: Path) -> tuple[list[RunSummary], list[str]]:
    """All runs under `root`, `history/` too, and a line for each that can't be read."""
    from topoqa_train.runs import store, summary

    return summary.read_all(store.RunStore(root).all(), SystemClock())


def read_run(run_dir: Path) -> RunSummary:
    """Return one run as it is now, running or not; raises `RequestError` if it can't be read.

    A run that was moved to `history/` meanwhile is read there; `paths` of the result say so.
    """
    from topoqa_train.runs import paths, summary

    return summary.read(paths.RunPaths(run_dir), SystemClock())


def target_of(model: str) -> str:
    """The target of a decoy by its name: what stands before the first `_` or `/`."""
    from topoqa_train.labels import label_file

    return label_file.target_of(model)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of anyone's making, fit to be written again; raises `DataError`."""
    from topoqa_train.training.data import builder_metadata

    return builder_metadata.read_document(path)


def read_labels(path: Path) -> Sequence[Label]:
    """The rows of a label file that have a dockq: MODEL, dockq, target; raises `DataError`."""
    from topoqa_train.labels import label_file

    if not path.is_file():
        raise DataError(f"there is no file of labels {path}")
    return label_file.read_labels(path, split="given").rows


def find_graphs(folder: Path, models: Sequence[str]) -> dict[str, Path]:
    """The graph file of each decoy under `folder`, found as a training finds it.

    Raises:
        DataError: no folder, or decoys without a graph; they are named.
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
    """The metrics of a validation by name, of predictions [g] for decoys of these targets.

    The very ones that a training writes; one that is undefined reads 0.
    """
    from topoqa_train.training import metrics

    return metrics.evaluate(predicted, dockq, targets).values


def segment_sum(values: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Sum of the rows of each segment: [m, ...], [m] int64 in any order, to [segments, ...].

    With `batch.batch` and `batch.num_graphs` it pools the nodes of each graph. Deterministic on
    every device, forwards and backwards.
    """
    from topoqa_train.training.model import layers

    return layers.segment_sum(values, segment, segments)


def segment_max(values: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Largest of each column [m, c] in each segment, 0 for one without rows; as `segment_sum`."""
    from topoqa_train.training.model import layers

    return layers.segment_max(values, segment, segments)


def read_graph(path: Path) -> Graph:
    """Read one `.pt` graph without running code from it; raises `DataError`."""
    from topoqa_train.training.data import graphs

    return graphs.read_graph(path)


def graph_errors(graph: Graph) -> list[str]:
    """All that makes a graph unfit for training, in words; empty if it is fit."""
    from topoqa_train.training.data import graphs

    return graphs.graph_errors(graph)


def write_graph(path: Path, x: Any, edge_index: Any, edge_attr: Any) -> None:  # noqa: ANN401
    """Write one graph atomically from arrays or tensors, shapes as in `read_graph`."""
    from topoqa_train.training.data import graphs

    graphs.write_graph(path, x, edge_index, edge_attr)
