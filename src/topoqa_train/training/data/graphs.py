"""One decoy's interface as tensors: reading, checking and writing its file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.data import DataEdgeAttr, DataTensorAttr
from torch_geometric.data.storage import GlobalStorage

from topoqa_train import atomic
from topoqa_train.errors import DataError
from topoqa_train.training import safe_load
from topoqa_train.training.data.keys import EDGE_ATTR, EDGE_INDEX, GRAPH_KEYS, X
from topoqa_train.training.safe_load import (
    DamagedFileError,
    ForbiddenGlobalError,
    InvalidFileError,
    Limits,
)

# The name under which plugins import it.
Graph = Data

_DTYPES: Final = {X: torch.float32, EDGE_INDEX: torch.int64, EDGE_ATTR: torch.float32}
_SHAPES: Final = {X: "[n, node_dim]", EDGE_INDEX: "[2, e]", EDGE_ATTR: "[e, edge_dim]"}


# Some names may accompany the three tensors; a file that torch-geometric writes has 143
# instructions in 604 bytes.
_LIMITS: Final = Limits(file_bytes=2**30, pickle_bytes=2**20, instructions=2**16)
_CLASSES: Final = (Data, DataEdgeAttr, DataTensorAttr, GlobalStorage)
_HINT: Final = "Save it as a torch-geometric Data of x, edge_index and edge_attr, with torch.save."


def read_graph(path: Path) -> Data:
    """Read one graph file without running code from it.

    The result has the three tensors of `GRAPH_KEYS` and nothing else, contiguous and on the CPU.
    `graph_errors` checks what they hold.

    Raises:
        DataError: the file does not exist, is damaged, is not a `Data`, misses a tensor, or names
            something that would run code.
    """
    try:
        return _graph_of(safe_load.load(path, _LIMITS, _CLASSES))
    except ForbiddenGlobalError as error:
        raise DataError(
            f"{path} holds '{error}', which would run code when read: refused",
            hint=f"A graph may hold only tensors, numbers, text, lists and dicts. {_HINT}",
        ) from None
    except DamagedFileError as error:
        raise DataError(f"{path} is damaged: {error}", hint="Copy or build it again.") from error
    except InvalidFileError as error:
        raise DataError(f"{path} is not a graph: {error}", hint=_HINT) from None
    except FileNotFoundError:
        raise DataError(f"there is no graph {path}") from None
    except OSError as error:
        raise DataError(f"the graph {path} can't be read: {error.strerror}") from error


def _graph_of(loaded: object) -> Data:
    """Return the three tensors of a loaded `Data` as a new one."""
    if not isinstance(loaded, Data):
        raise InvalidFileError(f"it holds a {type(loaded).__name__}, not a torch-geometric Data")
    # torch-geometric 1 keeps the attributes in the object, 2 in a store, which may be anything.
    attributes: Any = vars(loaded)
    if isinstance(attributes.get("_store"), GlobalStorage):
        attributes = vars(attributes["_store"]).get("_mapping")
    if not isinstance(attributes, dict):
        raise InvalidFileError("its Data has no content")
    missing = [name for name in GRAPH_KEYS if attributes.get(name) is None]
    if missing:
        raise InvalidFileError(f"it has no {' and no '.join(missing)}")
    return Data(**{name: _tensor(name, attributes[name]) for name in GRAPH_KEYS})


def _tensor(name: str, value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise InvalidFileError(f"its {name} is not a tensor")
    safe_load.check_tensor(value)
    return value.detach().resolve_neg().contiguous()


def graph_errors(graph: Data) -> list[str]:
    """Return what makes a graph unusable for training, in words; empty if it is valid."""
    return _layout_errors(graph) or _content_errors(graph)


def graph_anomalies(graph: Data) -> list[str]:
    """Return what training tolerates but is seldom intended; the graph must have no errors."""
    nodes, (source, target) = graph.num_nodes, graph.edge_index
    if not graph.num_edges:
        return ["no edges"]
    forth = torch.sort(source * nodes + target).values
    back = torch.sort(target * nodes + source).values
    loops = int((source == target).sum())
    repeated = int((forth[1:] == forth[:-1]).sum())
    isolated = nodes - len(torch.unique(graph.edge_index))
    return [
        text
        for found, text in (
            (not torch.equal(forth, back), "edges in one direction only"),
            (loops, f"{loops} edges from a node to itself"),
            (repeated, f"{repeated} repeated edges"),
            (isolated, f"{isolated} nodes without an edge"),
        )
        if found
    ]


def write_graph(path: Path, x: Any, edge_index: Any, edge_attr: Any) -> None:  # noqa: ANN401
    """Write one graph, atomically, as a torch-geometric `Data` file.

    The arguments are tensors or anything that numpy makes an array of, shapes as in `keys`. The
    bytes depend on the numbers alone, not on the file's name.

    Raises:
        DataError: the graph is invalid; the errors are named.
    """
    graph = Data(
        _plain(x, torch.float32), _plain(edge_index, torch.int64), _plain(edge_attr, torch.float32)
    )
    errors = graph_errors(graph)
    if errors:
        raise DataError(f"the graph for {path} is not fit to be written", details=errors)
    buffer = io.BytesIO()
    torch.save(graph, buffer)
    atomic.write_bytes(path, buffer.getvalue())


def _plain(values: Any, dtype: torch.dtype) -> Tensor:  # noqa: ANN401
    # A copy, because torch.save writes the whole storage behind a view.
    return torch.as_tensor(values).detach().to(device="cpu", dtype=dtype, copy=True).contiguous()


def _layout_errors(graph: Data) -> list[str]:
    missing = [f"no {name}" for name in GRAPH_KEYS if graph.get(name) is None]
    if missing:
        return missing
    tensors = {name: graph[name] for name in GRAPH_KEYS}
    errors = [
        f"{name} is {_name_of(tensor.dtype)}, not {_name_of(_DTYPES[name])}"
        for name, tensor in tensors.items()
        if tensor.dtype != _DTYPES[name]
    ]
    errors += [
        f"{name} has the shape {list(tensor.shape)}, not {_SHAPES[name]}"
        for name, tensor in tensors.items()
        if tensor.dim() != 2 or (name == EDGE_INDEX and tensor.shape[0] != 2)
    ]
    if errors:
        return errors
    if graph.num_nodes == 0:
        errors.append("no nodes: an interface without residues")
    if graph.x.shape[1] == 0:
        errors.append("nodes without features")
    if graph.edge_attr.shape[1] == 0:
        errors.append("edges without features")
    if graph.edge_attr.shape[0] != graph.num_edges:
        errors.append(
            f"{graph.num_edges} edges in {EDGE_INDEX}, {graph.edge_attr.shape[0]} in {EDGE_ATTR}"
        )
    return errors


def _content_errors(graph: Data) -> list[str]:
    errors = []
    for name, values in ((X, graph.x), (EDGE_ATTR, graph.edge_attr)):
        finite = torch.isfinite(values)
        if not finite.all():
            row, column = (int(place) for place in (~finite).nonzero()[0])
            count = int((~finite).sum())
            errors.append(f"{name} holds {count} NaN or infinite, first at [{row}, {column}]")
    if graph.num_edges:
        lowest, highest = (int(end) for end in torch.aminmax(graph.edge_index))
        if lowest < 0 or highest >= graph.num_nodes:
            wrong = lowest if lowest < 0 else highest
            errors.append(
                f"{EDGE_INDEX} names node {wrong}, and there are nodes 0 to {graph.num_nodes - 1}"
            )
    return errors


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
