from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from topoqa_ramdisk import page_cache
from topoqa_ramdisk.page_cache import cached_share

linux = pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")


@linux
def test_what_was_just_written_is_in_memory(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.pt" for number in range(3)]
    for file in files:
        file.write_bytes(b"x" * 10_000)
    (tmp_path / "empty.pt").touch()
    assert cached_share([*files, tmp_path / "empty.pt"]) == 1.0


@linux
def test_what_was_dropped_is_not(tmp_path: Path) -> None:
    file = tmp_path / "a.pt"
    file.write_bytes(b"x" * 2**20)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    share = cached_share([file])
    assert share is not None
    if share == 1.0:
        pytest.skip("this file system keeps everything in memory")
    assert share < 0.5
    file.read_bytes()
    assert cached_share([file]) == 1.0


@linux
def test_no_files_and_files_of_others_have_no_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cached_share([]) is None
    assert cached_share([tmp_path / "gone.pt"]) is None
    file = tmp_path / "theirs.pt"
    file.write_bytes(b"x")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    assert cached_share([file]) is None


def test_other_systems_have_no_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pt").write_bytes(b"x")
    monkeypatch.setattr(page_cache.sys, "platform", "darwin")
    assert cached_share([tmp_path / "a.pt"]) is None
