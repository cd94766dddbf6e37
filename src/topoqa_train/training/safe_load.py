"""Reading of the files that `torch.save` writes, when anybody may have written them.

`torch.load(weights_only=True)` runs no code from a file, but by itself it still accepts files that
exhaust the memory, take for ever or crash the process: compressed archives, `bytearray(2**40)`,
tuples nested a million deep as dict keys. So the archive and its pickle are checked first.

torch has its own zip reader, which could find other content in a manipulated archive than the
checked one. So torch reads the file itself only if its directory has, byte for byte, the form that
`torch.save` gives it, in which all readers agree; otherwise it reads a copy of what was checked.
"""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import torch
from torch import Tensor

from topoqa_train import bounded_read

MAX_VALUES = 2**20
_MAX_MEMBERS: Final = 2**16 - 1
_MAX_DEPTH: Final = 32
_MAX_NAME: Final = 100
_MAGIC: Final = b"PK"
_ENTRY_SIGNATURE: Final = b"PK\x01\x02"
# The zip records of torch.save: an entry of the directory, and the three that end the file.
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_ENTRY_FLAGS: Final = 0x808
_END: Final = struct.Struct("<4sQHHLLQQQQ 4sLQL 4s4H2LH")
_LARGEST: Final = 2**32 - 1
# torch writes the last three, and reads none of them here.
_PARTS: Final = {
    *("data.pkl", "byteorder", "version"),
    *(".data/serialization_id", ".format_version", ".storage_alignment"),
}

_PROTOCOL: Final = 2
_TUPLE: Final = "TUPLE"
_TEXT: Final = "BINUNICODE"
_REBUILD_TENSOR: Final = "torch._utils._rebuild_tensor_v2"
_ORDERED_DICT: Final = "collections.OrderedDict"
_FLOATS: Final = ("Double", "Float", "Half", "BFloat16")
_STORAGES: Final = (*_FLOATS, "Long", "Int", "Short", "Char", "Byte", "Bool")
_GLOBALS: Final = {_REBUILD_TENSOR, _ORDERED_DICT, *(f"torch.{each}Storage" for each in _STORAGES)}
_INTEGERS: Final = {"BININT", "BININT1", "BININT2"}
_DICTS: Final = {"EMPTY_DICT", "SETITEM", "SETITEMS"}
_TUPLES: Final = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_PUTS: Final = {"BINPUT", "LONG_BINPUT"}
_GETS: Final = {"BINGET", "LONG_BINGET"}
# What torch.save needs for plain values, tensors and instances.
_OPCODES: Final = {
    *("PROTO", "STOP", "MARK", "GLOBAL", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID"),
    *("NONE", "NEWTRUE", "NEWFALSE", "LONG1", "BINFLOAT", _TEXT, "EMPTY_TUPLE", "EMPTY_LIST"),
    *("APPEND", "APPENDS"),
    *(_INTEGERS | _DICTS | _TUPLES | _PUTS | _GETS),
}

_FROM_MARK: Final = {
    opcode.name for opcode in pickletools.opcodes if pickletools.markobject in opcode.stack_before
}
# How many values an instruction takes from the stack, besides those since the last mark.
_POPS: Final = {
    opcode.name: len(opcode.stack_before) - 2 * (opcode.name in _FROM_MARK)
    for opcode in pickletools.opcodes
}


class Limits(NamedTuple):
    """The largest file, the largest pickle in it, and the most instructions of that pickle."""

    file_bytes: int
    pickle_bytes: int
    instructions: int


class InvalidFileError(Exception):
    """What is wrong with a file, without its name."""


class ForbiddenGlobalError(InvalidFileError):
    """The pickle names a class or function that is not allowed; the text is that name."""


class DamagedFileError(InvalidFileError):
    """The content is incomplete or changed."""


def load(path: Path, limits: Limits, classes: Sequence[type] = ()) -> Any:  # noqa: ANN401
    """Load a file of plain values, tensors on the CPU and instances of `classes`.

    The result may contain itself, and tensors may repeat their values: see `check_values`.

    Raises:
        OSError: the file does not exist, is not a regular file, or is too large.
        ForbiddenGlobalError: the pickle names anything else.
        InvalidFileError: the file is damaged, or `torch.save` did not write it.
    """
    allowed = _GLOBALS | {f"{each.__module__}.{each.__qualname__}" for each in classes}
    try:
        with bounded_read.opened(path) as file:
            _check_ends(file, path, limits, allowed)
            file.seek(0)
            content = bounded_read.read(file, limits.file_bytes, path)
        archive = _checked_archive(content, limits, allowed)
        with torch.serialization.safe_globals(list(classes)):
            return torch.load(archive, map_location="cpu", weights_only=True)
    except (InvalidFileError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile and torch raise anything for a damaged file
        why = " ".join(str(error).split())[:200]
        raise DamagedFileError(f"{type(error).__name__}: {why}") from error


def check_values(value: Any) -> None:  # noqa: ANN401
    """Raise `InvalidFileError` unless `value` is a bounded tree of plain values and tensors.

    A pickle can put a list into itself, or twice into a list that is twice in a list, and so on: no
    `repr` or comparison of those would ever end.
    """
    pending, count = [(value, 0)], 1
    while pending:
        each, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise InvalidFileError(f"it is nested more than {_MAX_DEPTH} levels deep")
        if isinstance(each, Tensor):
            check_tensor(each)
        elif isinstance(each, dict | list | tuple):
            count += len(each)
            if count > MAX_VALUES:
                raise InvalidFileError(f"it holds more than {MAX_VALUES} values")
            items = each.values() if isinstance(each, dict) else each
            pending += [(item, depth + 1) for item in items]
        elif not isinstance(each, str | int | float | None):
            raise InvalidFileError(f"it holds a {type(each).__name__}")


def check_tensor(tensor: Tensor) -> None:
    """Raise `InvalidFileError` if a tensor repeats its bytes, so that a copy would be larger."""
    if tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
        raise InvalidFileError("the shape of a tensor in it goes beyond its bytes")


def _check_ends(file: BinaryIO, path: Path, limits: Limits, allowed: Collection[str]) -> None:
    """Refuse what is not a zip archive by its first and last bytes: it may be sparse and huge."""
    bounded_read.check_size(file, limits.file_bytes, path)
    start = file.read(len(_MAGIC))
    if start != _MAGIC:
        _refuse_bare(start + file.read(limits.pickle_bytes), limits, allowed)
    if not zipfile.is_zipfile(file):
        raise DamagedFileError("the end of the archive is missing")


def _checked_archive(content: bytes, limits: Limits, allowed: Collection[str]) -> io.BytesIO:
    """Return an archive of the pickle and the tensors in `content`, after checking them."""
    if not content.startswith(_MAGIC):
        raise DamagedFileError("it changed while it was read")
    # zipfile keeps some hundred bytes for each entry. Only a file this large can have too many.
    most = _MAX_MEMBERS
    if len(content) > most * _ENTRY.size and content.count(_ENTRY_SIGNATURE) > most:
        raise InvalidFileError("it has too many parts")
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        folder = _checked_folder(source, limits, len(content))
        _check_pickle(source.read(f"{folder}/data.pkl"), allowed, limits.instructions)
        if not _is_as_torch_writes(content, source.infolist(), folder):
            return _copy(source, folder)
        for name in source.namelist():
            if name.startswith(f"{folder}/data/"):
                source.read(name)  # checks the CRC, which torch does not
        return io.BytesIO(content)


def _is_as_torch_writes(content: bytes, members: Sequence[zipfile.ZipInfo], folder: str) -> bool:
    """Return whether the end of `content` is what `torch.save` writes after these `members`."""
    parts = [member.filename.removeprefix(f"{folder}/") for member in members]
    if not all(part in _PARTS or part.startswith("data/") for part in parts):
        return False
    if len(content) > _LARGEST:
        return False
    directory = b""
    for member in members:
        name, size = member.filename.encode(), member.file_size
        head = (_ENTRY_SIGNATURE, 0, 0, _ENTRY_FLAGS, 0, 0, 0, member.CRC, size, size, len(name))
        directory += _ENTRY.pack(*head, 0, 0, 0, 0, 0, member.header_offset) + name
    end = len(content) - _END.size
    where = (len(members), len(members), len(directory), end - len(directory))
    return content.endswith(
        directory
        + _END.pack(
            *(b"PK\x06\x06", 44, 0x31E, 45, 0, 0, *where),
            *(b"PK\x06\x07", 0, end, 1),
            *(b"PK\x05\x06", 0, 0, *where, 0),
        )
    )


def _copy(source: zipfile.ZipFile, folder: str) -> io.BytesIO:
    """Return an archive of the parts of `source` that torch reads."""
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            short = name.removeprefix(f"{folder}/")
            if short in ("data.pkl", "byteorder", "version") or short.startswith("data/"):
                target.writestr(f"archive/{short}", source.read(name))
    copy.seek(0)
    return copy


def _refuse_bare(content: bytes, limits: Limits, allowed: Collection[str]) -> None:
    """Raise the error for what is not a zip archive, given its start; forbidden globals first."""
    if not content:
        raise InvalidFileError("it is empty")
    try:
        _check_pickle(content, allowed, limits.instructions)
    except ForbiddenGlobalError:
        raise
    except (InvalidFileError, LookupError, ValueError):
        raise InvalidFileError("it is not a file of torch.save") from None
    raise InvalidFileError("it is of torch's old format, from before 2020")


def _checked_folder(archive: zipfile.ZipFile, limits: Limits, size: int) -> str:
    """Return the folder that holds all members; fail on what `torch.save` does not write."""
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise InvalidFileError("its parts are compressed, which torch.save never does")
    if sum(member.file_size for member in members) > size:
        raise InvalidFileError("its parts claim more bytes than the file has")
    pickles = [member for member in members if member.filename.endswith("/data.pkl")]
    if len(pickles) != 1 or pickles[0].filename.count("/") != 1:
        raise InvalidFileError("it is not a file of torch.save")
    if pickles[0].file_size > limits.pickle_bytes:
        raise InvalidFileError("it holds much besides tensors")
    return pickles[0].filename.partition("/")[0]


def _check_pickle(content: bytes, allowed: Collection[str], most: int) -> None:
    """Fail unless torch's unpickler can execute a pickle in bounded time and memory.

    The instructions are followed on a stack that holds, in place of each value, the name of what
    made it: an opcode, an allowed global, or for a tuple the names of its items.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if count >= most:
            raise InvalidFileError("it holds much besides tensors")
        name = opcode.name
        if name not in _OPCODES or (name == "PROTO" and argument != _PROTOCOL):
            raise InvalidFileError(f"it holds what is not plain (a pickle's {name})")
        if name in _PUTS:
            memo[argument] = stack[-1]
        elif name in _GETS:
            stack.append(memo[argument])
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "GLOBAL":
            stack.append(_allowed_global(argument, allowed))
        else:
            start = (marks.pop() if name in _FROM_MARK else len(stack)) - _POPS[name]
            operands = stack[start:]
            del stack[start:]
            _check_step(name, operands)
            if name in _TUPLES:
                # Flat, because nested tuples could be made to take for ever to compare.
                stack.append(tuple(_TUPLE if type(item) is tuple else item for item in operands))
            elif opcode.stack_after:
                stack.append(name)


def _allowed_global(argument: object, allowed: Collection[str]) -> str:
    name = str(argument).replace(" ", ".", 1)
    if name not in allowed:
        raise ForbiddenGlobalError(ascii(name)[1:-1][:_MAX_NAME])
    return name


def _check_step(name: str, operands: Sequence[Any]) -> None:
    """Refuse the operands with which torch's unpickler could be made to hash or copy for ever."""
    if name in ("SETITEM", "SETITEMS") and not {_TEXT, *_INTEGERS}.issuperset(operands[1::2]):
        raise InvalidFileError("it holds a dict with keys that are neither text nor numbers")
    if name == "BINPERSID" and not (type(operands[0]) is tuple and operands[0][2:3] == (_TEXT,)):
        raise InvalidFileError("it refers to something that is not a tensor")
    if name == "REDUCE" and not (
        (operands[0] == _REBUILD_TENSOR and type(operands[1]) is tuple)
        or operands == [_ORDERED_DICT, "EMPTY_TUPLE"]
    ):
        raise InvalidFileError("it holds a call that torch.save does not write")
    if name == "BUILD" and operands[1] not in _DICTS:
        raise InvalidFileError("it holds an object whose state is not a dict")
