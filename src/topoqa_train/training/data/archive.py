"""Reading a torch-geometric `Data` file without running anything that stands in it.

A `.pt` is a zip of one pickle and the tensors' bytes, and a pickle is a small program that may
call any function by name. Here the names lead to inert stand-ins alone and nothing is imported,
so the file can neither run code nor make the reader hold more than the file does. It is what
`torch.load(weights_only=True)` promises with torch-geometric's classes declared safe, kept to
what a graph needs, in a fraction of the time and without importing torch-geometric.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import stat
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from topoqa_train.errors import DataError

MAX_FILE_BYTES: Final = 2**30
_MAX_PICKLE_BYTES: Final = 2**20
_HINT = "Save it as a torch-geometric Data of x, edge_index and edge_attr, with torch.save."

_DTYPES: Final = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}


class _FaultError(Exception):
    """What is wrong with a file, without its name."""


class _RefusedError(_FaultError):
    """The pickle names something that reading it would call."""


class _Storage(NamedTuple):
    """Where the bytes of tensors are: a record of the zip."""

    key: str
    dtype: torch.dtype


class _View(NamedTuple):
    """A tensor, not made yet; what the pickle says of it is still to be checked."""

    storage: Any
    offset: Any
    size: Any
    stride: Any


class _Object:
    """Stands for an instance of one of torch-geometric's classes and holds its state."""

    __slots__ = ("state",)

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Data(_Object):
    __slots__ = ()


class _EmptyDict:
    """Stands for `OrderedDict`; takes no content, since copies of copies could fill the memory."""

    __slots__ = ()

    def __call__(self) -> dict[Any, Any]:
        return {}


class _Rebuild:
    """Stands for `torch._utils._rebuild_tensor_v2`."""

    __slots__ = ()

    def __call__(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _View:  # noqa: ANN401
        return _View(storage, offset, size, stride)


_STAND_INS: Final[dict[str, Any]] = {
    "torch_geometric.data.data.Data": _Data,
    "torch_geometric.data.data.DataEdgeAttr": "DataEdgeAttr",
    "torch_geometric.data.data.DataTensorAttr": "DataTensorAttr",
    "torch_geometric.data.storage.GlobalStorage": _Object,
    "torch._utils._rebuild_tensor_v2": _Rebuild(),
    "collections.OrderedDict": _EmptyDict(),
    **{name: name for name in _DTYPES},
}


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        full = f"{module}.{name}"
        if full not in _STAND_INS:
            raise _RefusedError(full)
        return _STAND_INS[full]

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401
        match pid:
            case ("storage", str(kind), str(key), *_) if kind in _DTYPES:
                return _Storage(key, _DTYPES[kind])
        raise _FaultError("it refers to something that is no tensor")


def read_tensors(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """The tensors called `names` of the `Data` in the file `path`, those that are there.

    They are contiguous, on the CPU, and share no memory with anything else.

    Raises:
        DataError: it names the file and what is wrong with it.
    """
    content = _content(path)
    try:
        return _tensors(content, names)
    except _RefusedError as refused:
        raise DataError(
            f"{path} holds '{refused}', which would run code when read: refused",
            hint=f"Only tensors, numbers, text, lists and dicts may stand in a graph. {_HINT}",
        ) from None
    except _FaultError as fault:
        raise DataError(f"{path} is no graph: {fault}", hint=_HINT) from None
    except Exception as error:  # a damaged zip or pickle can raise anything
        raise DataError(
            f"{path} is damaged: {type(error).__name__}: {str(error)[:200]}",
            hint="Copy or build it again.",
        ) from error


def _content(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path} is no file")
        if status.st_size > MAX_FILE_BYTES:
            raise DataError(
                f"{path} has {status.st_size / 2**30:.1f} GiB, more than any interface needs"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"there is no graph {path}") from None
    except OSError as error:
        raise DataError(f"the graph {path} can't be read: {error.strerror}") from error


def _tensors(content: bytes, names: Iterable[str]) -> dict[str, Tensor]:
    if not content.startswith(b"PK"):
        _fail_on_bare(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        top = _check_archive(archive, len(content))
        attributes = _attributes(_unpickle(archive.read(f"{top}/data.pkl")))
        found = {name: attributes[name] for name in names if attributes.get(name) is not None}
        return {name: _tensor(name, value, archive, top) for name, value in found.items()}


def _fail_on_bare(content: bytes) -> None:
    """Say what a file is that is no zip; a pickle that would run code is named."""
    if not content:
        raise _FaultError("it is empty")
    try:
        _unpickle(content[:_MAX_PICKLE_BYTES])
    except _RefusedError:
        raise
    except Exception:  # noqa: BLE001 - whatever it was, it is no graph
        raise _FaultError("it is not a file of torch.save") from None
    raise _FaultError("it is of torch's old format, from before 2020")


def _check_archive(archive: zipfile.ZipFile, size: int) -> str:
    """The name of the folder that all is in; fails on what torch.save does not write."""
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise _FaultError("its parts are compressed, which torch.save never does")
    if sum(entry.file_size for entry in entries) > size:
        raise _FaultError("its parts claim more bytes than the file has")
    pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
    if len(pickles) != 1 or pickles[0].filename.count("/") != 1:
        raise _FaultError("it is not a file of torch.save")
    top = pickles[0].filename.removesuffix("/data.pkl")
    order = f"{top}/byteorder"
    if order in archive.NameToInfo and archive.read(order) != sys.byteorder.encode():
        raise _FaultError("it was written on a machine of the other byte order")
    return top


def _unpickle(content: bytes) -> object:
    if len(content) > _MAX_PICKLE_BYTES:
        raise _FaultError("it holds much besides tensors")
    for opcode, argument, _ in pickletools.genops(content):
        # The memo is a plain array: one huge index would make it fill the memory.
        if opcode.name in ("LONG_BINPUT", "PUT") and int(argument or 0) > _MAX_PICKLE_BYTES:
            raise _FaultError("its pickle is malformed")
    return _InertUnpickler(io.BytesIO(content)).load()


def _attributes(data: object) -> dict[str, Any]:
    """What the `Data` holds by name, in the layouts of torch-geometric 1 and 2."""
    if not isinstance(data, _Data):
        raise _FaultError(
            f"it holds a {type(data).__name__.strip('_')}, not a torch-geometric Data"
        )
    state = getattr(data, "state", None)
    store = state.get("_store") if isinstance(state, dict) else None
    if isinstance(store, _Object):
        state = getattr(store, "state", None)
        state = state.get("_mapping") if isinstance(state, dict) else None
    if not isinstance(state, dict):
        raise _FaultError("its Data has no content")
    return state


def _tensor(name: str, value: object, archive: zipfile.ZipFile, top: str) -> Tensor:
    if not isinstance(value, _View) or not isinstance(value.storage, _Storage):
        raise _FaultError(f"its {name} is no tensor")
    content = archive.read(f"{top}/data/{value.storage.key}")
    held = len(content) // value.storage.dtype.itemsize
    size, stride, offset = value.size, value.stride, value.offset
    if not _fits(size, stride, offset, held):
        raise _FaultError(f"the shape of its {name} goes beyond its bytes")
    if 0 in size or not held:
        return torch.empty(size, dtype=value.storage.dtype)
    flat = torch.frombuffer(bytearray(content), dtype=value.storage.dtype, count=held)
    return flat.as_strided(size, stride, offset).contiguous()


def _fits(size: Any, stride: Any, offset: Any, held: int) -> bool:  # noqa: ANN401
    """Whether a view lies within `held` elements and shows none of them over and over."""
    if not (isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)):
        return False
    if not all(type(number) is int and 0 <= number < 2**62 for number in (*size, *stride, offset)):
        return False
    count, last = 1, offset
    for length, step in zip(size, stride, strict=True):
        count *= length
        last += (length - 1) * step
    return count == 0 or (count <= held and last < held)
