"""Hostile and damaged graph files: each is refused in plain words, and no code is run."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import within
from torch_geometric.data import Data

from topoqa_train.errors import DataError
from topoqa_train.training.data import graphs
from topoqa_train.training.data.graphs import Graph, read_graph
from topoqa_train.training.data.keys import GRAPH_KEYS


class Runs:
    """Pickles to a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_graph(path)
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 500
    return caught.value.message


def outcome(path: Path) -> Graph | DataError:
    try:
        return read_graph(path)
    except DataError as error:
        return error


def rezip(
    source: Path,
    path: Path,
    changes: dict[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """The file `source` with some of its records (named without their folder) replaced."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", compression) as new:
        for name in old.namelist():
            short = name.partition("/")[2]
            new.writestr(name, (changes or {}).get(short, old.read(name)))
    return path


def test_code_in_a_graph_is_refused_by_name_and_not_run(graph_file: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    torch.save(Data(x=Runs(os.system, f"touch {marker}")), graph_file)
    assert "holds 'posix.system', which would run code when read" in refusal(graph_file)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Runs(eval, "1"), ".eval'"),
        (Runs(bytearray, 2**40), ".bytearray'"),
        (np.float64(1), "multiarray"),
        (Path("x"), "pathlib"),
        (collections.Counter("abc"), "collections.Counter"),
        (torch.nn.Parameter(torch.ones(1)), "torch._utils._rebuild_parameter"),
    ],
)
def test_whatever_is_not_plain_is_refused_by_name(
    graph_file: Path, value: object, name: str
) -> None:
    torch.save(Data(x=torch.ones(1, 1), extra=value), graph_file)
    assert name in refusal(graph_file)


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_bare_pickle_is_not_run(tmp_path: Path, protocol: int) -> None:
    path, marker = tmp_path / "x.pt", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Runs(os.system, f"touch {marker}"), protocol))
    assert ("posix.system" if protocol < 3 else "not a file of torch.save") in refusal(path)
    assert not marker.exists()


def test_torchs_old_format(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    torch.save({"x": 1}, path, _use_new_zipfile_serialization=False)
    assert "old format" in refusal(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"MODEL,dockq\n", "not a file of torch.save"),
        (b"PK\x03\x04" + bytes(50), "is damaged"),
        (b"\x80\x02", "not a file of torch.save"),
        (bytes(3000), "not a file of torch.save"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    assert message in refusal(path)


@pytest.mark.parametrize("value", [{"x": torch.ones(1)}, [1, 2], "text", torch.ones(2)])
def test_a_file_of_torch_that_is_no_data(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "x.pt")
    assert "not a torch-geometric Data" in refusal(tmp_path / "x.pt")


def test_missing_folder_pipe_and_oversize(
    tmp_path: Path, graph_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is no graph" in refusal(tmp_path / "none.pt")
    assert "it is a folder" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.pt")
    assert "it is a pipe" in refusal(tmp_path / "pipe.pt")
    monkeypatch.setattr(graphs, "_LIMITS", graphs._LIMITS._replace(file_bytes=100))
    assert "the limit is 100 bytes" in refusal(graph_file)


def test_compressed_parts_are_refused_before_they_are_read(
    graph_file: Path, tmp_path: Path
) -> None:
    bomb = rezip(graph_file, tmp_path / "b.pt", {"data/0": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    assert "compressed" in refusal(bomb)


def test_a_directory_of_very_many_parts_is_not_read(graph_file: Path, tmp_path: Path) -> None:
    """Each part of a zip costs 46 bytes in the file and some hundred in memory."""
    whole, parts = graph_file.read_bytes(), 300_000
    directory = whole.index(b"PK\x01\x02")
    entry = b"PK\x01\x02" + bytes(42)
    end = directory + parts * len(entry)
    content = [whole[:directory], entry * parts]
    content += [struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, parts, parts,
                            parts * len(entry), directory)]  # fmt: skip
    content += [struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)]
    content += [b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2)]
    path = tmp_path / "b.pt"
    path.write_bytes(b"".join(content))
    assert "too many parts" in within(lambda: refusal(path), mebibytes=64)


@pytest.mark.parametrize("start", [b"", b"PK\x03\x04"])
def test_a_large_sparse_file_is_refused_without_reading_it(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(start)
    os.truncate(path, graphs._LIMITS.file_bytes)
    assert str(path) in within(lambda: refusal(path), mebibytes=64)


def test_parts_that_claim_more_than_the_file_has(graph_file: Path, tmp_path: Path) -> None:
    names = [f"archive/data/{number}" for number in range(3)]
    content = bytearray(graph_file.read_bytes())
    directory = content.index(b"PK\x01\x02")
    for name in names:
        at = content.index(name.encode(), directory) - 46
        struct.pack_into("<II", content, at + 20, 2**31, 2**31)
    path = tmp_path / "b.pt"
    path.write_bytes(content)
    assert "claim more bytes" in refusal(path)


def test_an_archive_that_two_zip_readers_read_differently(
    graph_file: Path, tmp_path: Path, make_graph: Callable[..., Graph]
) -> None:
    """zipfile looks for the last directory before the end; torch goes where a pointer says."""
    other = make_graph(2)
    graphs.write_graph(tmp_path / "other.pt", other.x, other.edge_index, other.edge_attr)
    hidden, checked = (tmp_path / "other.pt").read_bytes(), bytearray(graph_file.read_bytes())
    pointer = len(checked) - 34
    assert struct.unpack_from("<Q", checked, pointer) == (len(checked) - 98,)
    for record in range(len(checked)):
        if checked.startswith(b"PK\x01\x02", record):
            shift(checked, "<L", record + 42, len(hidden))
    shift(checked, "<Q", len(checked) - 50, len(hidden))
    shift(checked, "<L", len(checked) - 6, len(hidden))
    struct.pack_into("<Q", checked, pointer, len(hidden) - 98)
    expected = read_graph(graph_file).x
    graph_file.write_bytes(hidden + checked)
    assert torch.equal(torch.load(graph_file, weights_only=False).x, other.x)
    found = outcome(graph_file)
    assert isinstance(found, DataError) or torch.equal(found.x, expected)


def shift(content: bytearray, kind: str, place: int, by: int) -> None:
    struct.pack_into(kind, content, place, struct.unpack_from(kind, content, place)[0] + by)


def test_a_flipped_bit_in_a_tensor_is_noticed(graph_file: Path) -> None:
    content = bytearray(graph_file.read_bytes())
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as file:
        tensor = file.read("archive/data/0")
    content[content.index(tensor) + len(tensor) // 2] ^= 1
    graph_file.write_bytes(content)
    assert "CRC" in refusal(graph_file)


def view_pickle(size: Any, stride: Any, offset: Any = 0, elements: int = 42) -> bytes:
    """Return the pickle of a Data with such a view of the float storage 0 for each tensor."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            return ("storage", torch.FloatStorage, "0", "cpu", elements) if obj is storage else None

    storage = object()
    view = Runs(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, {})
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(Data(view, view, view))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((2**40, 6), (0, 0), 0),
        ((10**6, 10**6), (0, 1), 0),
        ((8, 6), (6, 1), 0),
        ((7, 6), (6, 1), 1),
        ((7, 6), (-6, 1), 41),
        ((-7, -6), (6, 1), 0),
        ((7, 6), (6,), 0),
        ((7, 6), (6, 1), None),
        ((2**70, 1), (1, 1), 0),
        ((2**62, 2**62), (0, 0), 0),
        (["7", "6"], (6, 1), 0),
    ],
)
def test_tensors_beyond_their_bytes_are_refused(
    graph_file: Path, tmp_path: Path, size: Any, stride: Any, offset: Any
) -> None:
    content = view_pickle(size, stride, offset)
    path = rezip(graph_file, tmp_path / "b.pt", {"data.pkl": content})
    within(lambda: refusal(path), mebibytes=64)


def test_a_storage_that_claims_more_than_its_part_is_refused(
    graph_file: Path, tmp_path: Path
) -> None:
    content = view_pickle((10**6,), (1,), elements=10**6)
    assert "does not match" in refusal(rezip(graph_file, tmp_path / "b", {"data.pkl": content}))


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo index of two thousand million
        b"\x80\x02}p4000000000\n.",
        b"\x80\x02" + b"(" * 2_000_000 + b".",
        b"\x80\x02ccollections\nOrderedDict\n](K\x01K\x02e\x85R.",
        b"\x80\x02ctorch_geometric.data.data\nData\nN}X\x05\x00\x00\x00stateK\x01s\x86b.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x04\x00\x00\x00nameK\x01s\x86b.",
        b"\x80\x02]q\x00h\x00a.",
        b"\x80\x05\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x05\x96\x00\x00\x00\x00\x00\x01\x00\x00.",
    ],
)
def test_pickles_made_to_hurt(graph_file: Path, tmp_path: Path, content: bytes) -> None:
    refusal(rezip(graph_file, tmp_path / "b.pt", {"data.pkl": content}))


MANY = 2**15 - 8  # within what is read
ALIKE = b"}(" + b"".join(
    b"\x8a\x0a" + (number * (2**61 - 1) + 2**72).to_bytes(10, "little") + b"N"
    for number in range(MANY)
) + b"u."  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02}N" + b"\x85" * 900_000 + b"Ns.", "much besides tensors"),
        (b"\x80\x02}N" + b"\x85" * 60_000 + b"Ns.", "keys that are neither"),
        (b"\x80\x02" + ALIKE, "keys that are neither"),
        (b"\x80\x02" + b"\x8f" * 1_000_000 + b".", "EMPTY_SET"),
        (b"\x80\x02" + b"]" * 1_000_000 + b".", "much besides tensors"),
        (b"\x80\x02c" + b"a" * 900_000 + b"\nx\n.", "aaaa"),
        (b"\x80\x02c\x1b]0;t\x07\nx\n.", r"'\x1b]0;t\x07.x'"),
    ],
    ids=["stack", "stack within bounds", "alike", "sets", "lists", "long name", "escapes"],
)
def test_pickles_that_would_fill_the_memory_or_the_stack_or_take_for_ever(
    graph_file: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    path = rezip(graph_file, tmp_path / "b.pt", {"data.pkl": content})
    assert message in within(lambda: refusal(path), mebibytes=48)


def test_a_negated_view_is_read_with_its_sign(graph_file: Path) -> None:
    graph = read_graph(graph_file)
    torch.save(Data(torch._neg_view(graph.x), graph.edge_index, graph.edge_attr), graph_file)
    assert torch.equal(read_graph(graph_file).x, -graph.x)


@pytest.mark.parametrize("value", [1, "text", [torch.ones(1)], {}])
def test_an_x_that_is_no_tensor(graph_file: Path, value: object) -> None:
    torch.save(Data(value, torch.ones(1), torch.ones(1)), graph_file)
    assert "its x is not a tensor" in refusal(graph_file)


def test_a_data_without_content(graph_file: Path, tmp_path: Path) -> None:
    content = b"\x80\x02ctorch_geometric.data.data\nData\n)\x81."
    assert "it has no x" in refusal(rezip(graph_file, tmp_path / "b.pt", {"data.pkl": content}))


def test_a_file_cut_anywhere_is_refused(graph_file: Path) -> None:
    size = graph_file.stat().st_size
    for length in sorted({*range(0, size, 7), *range(size - 60, size)}, reverse=True):
        os.truncate(graph_file, length)
        refusal(graph_file)


def test_the_layout_of_torch_geometric_1_is_read(graph_file: Path, tmp_path: Path) -> None:
    """Its Data keeps the attributes in the object itself, without a store."""
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK*tQ"
        b"K\x00K\x07K\x06\x86K\x06K\x01\x86\x89}tR"
    )
    names = (b"X" + len(name).to_bytes(4, "little") + name.encode() for name in GRAPH_KEYS)
    state = b"}(" + b"".join(name + tensor for name in names) + b"u"
    content = b"\x80\x02ctorch_geometric.data.data\nData\n)\x81" + state + b"b."
    path = rezip(graph_file, tmp_path / "old.pt", {"data.pkl": content})
    assert torch.equal(read_graph(path).x, read_graph(graph_file).x)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_files_give_a_graph_or_a_data_error(
    graph_file: Path, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(graph_file.read_bytes())
    # Most of a file is padding and numbers: aim at the pickle and the directory as well.
    with zipfile.ZipFile(graph_file) as file:
        pickle_at = content.index(file.read("archive/data.pkl"))
    regions = [(0, 64), (pickle_at, pickle_at + 700), (content.index(b"PK\x01\x02"), len(content))]
    for _ in range(data.draw(st.integers(1, 4))):
        first, last = data.draw(st.sampled_from(regions))
        place = data.draw(st.integers(first, last - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(content)))
    path = tmp_path / "mutated.pt"
    path.write_bytes(content[:cut])
    found = outcome(path)
    assert isinstance(found, Graph) or str(path) in found.message


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_pickles_give_a_graph_or_a_data_error(
    graph_file: Path, tmp_path: Path, data: st.DataObject
) -> None:
    with zipfile.ZipFile(graph_file) as file:
        content = bytearray(file.read("archive/data.pkl"))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = rezip(graph_file, tmp_path / "mutated.pt", {"data.pkl": bytes(content)})
    found = outcome(path)
    assert isinstance(found, Graph) or str(path) in found.message
