"""The files that `torch.save` writes, read without running anything and bounded by their size.

A file is a zip of one pickle and the tensors' bytes. What `torch.load(weights_only=True)` promises
is kept, and more: packed parts (a small file that unpacks to a large one), tensors that show their
bytes over and over, and pickles made to fill the memory or to take for ever are refused too. It
needs no torch-geometric, and a fraction of the time.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import torch
from torch import Tensor

from topoqa_train import bounded_read
from topoqa_train.training.io import unpickler
from topoqa_train.training.io.unpickler import FaultError, RefusedError, View

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
# A part of a zip takes 46 bytes or more in its directory, and much more once that is read.
_LARGEST_DIRECTORY: Final = 2**23
_MOST_DIMENSIONS: Final = 16


class Bounds(NamedTuple):
    """The most of a file, of its pickle, and of that one's instructions."""

    file_bytes: int
    pickle_bytes: int
    instructions: int


@contextmanager
def opened(path: Path, bounds: Bounds, classes: Collection[str] = ()) -> Iterator[TorchFile]:
    """Open a file for as long as its tensors are read.

    Whatever its bytes do to the reader of zips and to torch comes out as a `FaultError`.

    Raises:
        OSError: no such file, no regular one, or one that is too large.
        RefusedError: the pickle names what is neither plain nor one of `classes`.
        FaultError: it is damaged, or not of `torch.save`.
    """
    with bounded_read.opened(path) as file:
        bounded_read.check_size(file, bounds.file_bytes, path)
        try:
            yield TorchFile(file, bounds, classes)
        except (FaultError, OSError, MemoryError):
            raise
        except Exception as error:  # a damaged zip can raise anything
            why = " ".join(str(error).split())[:200]
            raise DamagedError(f"{type(error).__name__}: {why}") from error


class DamagedError(FaultError):
    """The bytes are not what they were, or never were anything."""


class TorchFile:
    """An open file: `data` is what its pickle says, with a `View` for each tensor."""

    def __init__(self, file: BinaryIO, bounds: Bounds, classes: Collection[str]) -> None:
        self._bounds = bounds
        self._classes = classes
        self._storages: dict[str, bytearray] = {}
        start = file.read(2)
        file.seek(0)
        if start != b"PK":
            self._fail_on_bare(file)
        self._zip = _read_directory(file)
        self._top = _checked_top(self._zip, bounded_read.size(file))

    @cached_property
    def data(self) -> Any:  # noqa: ANN401
        """Plain data; containers may stand in it more than once, or in themselves."""
        name = f"{self._top}/data.pkl"
        if self._zip.getinfo(name).file_size > self._bounds.pickle_bytes:
            raise FaultError("it holds much besides tensors")
        return self._load(self._zip.read(name))

    def tensor(self, view: View, *, alone: bool = False) -> Tensor:
        """A tensor on the CPU; views of one part share its bytes, unless it is to be `alone`."""
        dtype = _DTYPES[view.storage.kind]
        key = view.storage.key
        content = self._part(key) if alone else self._shared_part(key)
        held = len(content) // dtype.itemsize
        if not _fits(view, held):
            raise FaultError("the shape of a tensor in it goes beyond its bytes")
        if 0 in view.size or not held:
            return torch.empty(view.size, dtype=dtype)
        flat = torch.frombuffer(content, dtype=dtype, count=held)
        return flat.as_strided(view.size, view.stride, view.offset)

    def _part(self, key: str) -> bytearray:
        return bytearray(self._zip.read(f"{self._top}/data/{key}"))

    def _shared_part(self, key: str) -> bytearray:
        if key not in self._storages:
            self._storages[key] = self._part(key)
        return self._storages[key]

    def _load(self, content: bytes) -> Any:  # noqa: ANN401
        return unpickler.load(
            content,
            classes=self._classes,
            storages=_DTYPES.keys(),
            most=self._bounds.instructions,
        )

    def _fail_on_bare(self, file: BinaryIO) -> None:
        """Say what a file is that is no zip; a pickle that would run code is named."""
        content = file.read(self._bounds.pickle_bytes)
        if not content:
            raise FaultError("it is empty")
        try:
            self._load(content)
        except RefusedError:
            raise
        except FaultError:
            raise FaultError("it is not a file of torch.save") from None
        raise FaultError("it is of torch's old format, from before 2020")


class _Bounded:
    """A file that never goes before its start, nor gives more than `most` bytes at once."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self.file = file
        self.most: int | None = most

    def read(self, size: int = -1) -> bytes:
        if self.most is not None and size > self.most:
            raise FaultError("it has too many parts")
        return self.file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset < 0 and whence == io.SEEK_SET:
            raise DamagedError("a part before its start")
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def seekable(self) -> bool:
        return True


def _read_directory(file: BinaryIO) -> zipfile.ZipFile:
    """The zip, its directory read at one go as `zipfile` does, unless that would be too much."""
    bounded = _Bounded(file, _LARGEST_DIRECTORY)
    archive = zipfile.ZipFile(bounded)
    bounded.most = None
    return archive


def _checked_top(archive: zipfile.ZipFile, size: int) -> str:
    """The name of the folder that all is in; fails on what torch.save does not write."""
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise FaultError("its parts are compressed, which torch.save never does")
    if sum(entry.file_size for entry in entries) > size:
        raise FaultError("its parts claim more bytes than the file has")
    pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
    if len(pickles) != 1 or pickles[0].filename.count("/") != 1:
        raise FaultError("it is not a file of torch.save")
    top = pickles[0].filename.removesuffix("/data.pkl")
    order = f"{top}/byteorder"
    if order in archive.NameToInfo and archive.read(order) != sys.byteorder.encode():
        raise FaultError("it was written on a machine of the other byte order")
    return top


def _fits(view: View, held: int) -> bool:
    """Whether a view lies within `held` elements and shows none of them over and over."""
    size, stride, offset = view.size, view.stride, view.offset
    if not (isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)):
        return False
    if len(size) > _MOST_DIMENSIONS:
        return False
    if not all(type(number) is int and 0 <= number < 2**62 for number in (*size, *stride, offset)):
        return False
    count, last = 1, offset
    for length, step in zip(size, stride, strict=True):
        count *= length
        last += (length - 1) * step
    return bool(count == 0 or (count <= held and last < held))
