"""Checkpoints from anywhere: read, or refused in words; never a trace, never code."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from topoqa_train.errors import RequestError
from topoqa_train.training import checkpoint


@pytest.fixture(scope="module")
def whole() -> bytes:
    return checkpoint.serialise({"epoch": 3, "state_dict": {"weight": torch.arange(6.0)}})


def test_what_is_written_is_read(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(whole)
    document = checkpoint.read(tmp_path / "a.ckpt")
    assert document["epoch"] == 3
    assert torch.equal(document["state_dict"]["weight"], torch.arange(6.0))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", pickle.dumps({"epoch": 3})])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(RequestError, match=r"a\.ckpt"):
        checkpoint.read(tmp_path / "a.ckpt")


def test_code_is_not_run(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "was here"),)

    torch.save({"state_dict": {}, "x": Hostile()}, tmp_path / "a.ckpt")
    with pytest.raises(RequestError, match="refused"):
        checkpoint.read(tmp_path / "a.ckpt")
    assert not (tmp_path / "was here").exists()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_file_is_refused_in_words(whole: bytes, tmp_path_factory, data) -> None:
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.mktemp("damaged") / "a.ckpt"
    path.write_bytes(bytes(content[:cut] if data.draw(st.booleans()) else content))
    # Anything but a document or a RequestError is a fault.
    with contextlib.suppress(RequestError):
        assert checkpoint.read(path)["format"] == checkpoint.FORMAT
