"""Untrusted files: reading never blocks and is limited."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from topoqa_train import bounded_read


def error_of(path: Path, most: int = 1000) -> str:
    with pytest.raises(OSError, match=r".") as caught:
        bounded_read.content(path, most)
    assert caught.value.filename == str(path)
    return str(caught.value.strerror)


def test_a_file_and_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "b").symlink_to("a")
    assert (
        bounded_read.content(tmp_path / "a", 1000)
        == bounded_read.content(tmp_path / "b", 1000)
        == b"x" * 1000
    )
    (tmp_path / "a").write_bytes(b"")
    assert bounded_read.content(tmp_path / "b", 0) == b""


def test_other_kinds_of_files_are_refused_without_blocking(tmp_path: Path) -> None:
    assert error_of(tmp_path) == "it is a folder, not a file"
    os.mkfifo(tmp_path / "pipe")
    assert error_of(tmp_path / "pipe") == "it is a pipe, not a file"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        assert error_of(tmp_path / "socket") == "it is a socket, not a file"
    (tmp_path / "zeros").symlink_to("/dev/zero")
    assert error_of(tmp_path / "zeros") == "it is a device, not a file"


def test_a_pipe_that_replaces_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    before = path.stat()
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(Path, "stat", lambda self: before)
    assert error_of(path) == "it is a pipe, not a file"


def test_no_such_file_loops_and_impossible_names(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bounded_read.content(tmp_path / "none", 10)
    (tmp_path / "round").symlink_to("round")
    assert "symbolic links" in error_of(tmp_path / "round")
    assert error_of(Path("a\0b")) == "not a valid path"
    assert error_of(tmp_path / ("x" * 300)) == os.strerror(errno.ENAMETOOLONG)


def test_a_file_above_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    assert error_of(path, 2**20) == "it has 3 GiB; the limit is 1 MiB"
    assert error_of(path, 999) == "it has 3 GiB; the limit is 999 bytes"


def test_a_file_that_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 5000)
    monkeypatch.setattr(bounded_read, "size", lambda file: 10)
    assert bounded_read.content(path, 5000) == b"x" * 5000
    assert "the limit is" in error_of(path, 4999)
