"""The tensors of a torch-geometric `Data` file, read without running anything that stands in it.

See `topoqa_train.training.io.torch_archive` for what makes that safe.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from topoqa_train.errors import DataError
from topoqa_train.training.io import torch_archive
from topoqa_train.training.io.torch_archive import Bounds, DamagedError, TorchFile
from topoqa_train.training.io.unpickler import FaultError, Instance, RefusedError, View

# Three tensors, and some names beside them.
BOUNDS: Final = Bounds(file_bytes=2**30, pickle_bytes=2**20, instructions=2**16)
_DATA: Final = "torch_geometric.data.data.Data"
_STORE: Final = "torch_geometric.data.storage.GlobalStorage"
_CLASSES: Final = frozenset(
    {
        _DATA,
        _STORE,
        "torch_geometric.data.data.DataEdgeAttr",
        "torch_geometric.data.data.DataTensorAttr",
    }
)
_HINT: Final = "Save it as a torch-geometric Data of x, edge_index and edge_attr, with torch.save."


def read_tensors(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """The tensors called `names` of the `Data` in the file `path`, those that are there.

    They are contiguous, on the CPU, and share no memory with anything else.

    Raises:
        DataError: it names the file and what is wrong with it.
    """
    try:
        with torch_archive.opened(path, BOUNDS, _CLASSES) as file:
            attributes = _attributes(file.data)
            found = {name: attributes[name] for name in names if attributes.get(name) is not None}
            return {name: _tensor(name, value, file) for name, value in found.items()}
    except RefusedError as refused:
        raise DataError(
            f"{path} holds '{refused}', which would run code when read: refused",
            hint=f"Only tensors, numbers, text, lists and dicts may stand in a graph. {_HINT}",
        ) from None
    except DamagedError as damage:
        raise DataError(f"{path} is damaged: {damage}", hint="Copy or build it again.") from damage
    except FaultError as fault:
        raise DataError(f"{path} is no graph: {fault}", hint=_HINT) from None
    except FileNotFoundError:
        raise DataError(f"there is no graph {path}") from None
    except OSError as error:
        raise DataError(f"the graph {path} can't be read: {error.strerror}") from error


def _attributes(data: object) -> dict[Any, Any]:
    """What the `Data` holds by name, in the layouts of torch-geometric 1 and 2."""
    if not isinstance(data, Instance) or data.name != _DATA:
        raise FaultError(f"it holds {_kind(data)}, not a torch-geometric Data")
    state = data.state
    store = state.get("_store") if isinstance(state, dict) else None
    if isinstance(store, Instance) and store.name == _STORE:
        state = store.state.get("_mapping") if isinstance(store.state, dict) else None
    if not isinstance(state, dict):
        raise FaultError("its Data has no content")
    return state


def _tensor(name: str, value: object, file: TorchFile) -> Tensor:
    if not isinstance(value, View):
        raise FaultError(f"its {name} is no tensor")
    return file.tensor(value, alone=True).contiguous()


def _kind(data: object) -> str:
    return "a tensor" if isinstance(data, View) else f"a {type(data).__name__}"
