from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from topoqa_ramdisk.memory import available

GIB = 2**30


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    class Memory:
        available = 64 * GIB

    monkeypatch.setattr(psutil, "virtual_memory", Memory)


def write(root: Path, **files: object) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def group(folder: str, limit: object, usage: int, file_cache: int = 0, v1: bool = False) -> dict:
    names = ("limit_in_bytes", "usage_in_bytes") if v1 else ("max", "current")
    cache = "total_inactive_file" if v1 else "inactive_file"
    return {
        f"{folder}/memory.{names[0]}": limit,
        f"{folder}/memory.{names[1]}": usage,
        f"{folder}/memory.stat": f"anon 5\n{cache} {file_cache}\nactive_file 7",
    }


def test_without_groups_the_machine_is_the_limit(tmp_path: Path) -> None:
    found = available(tmp_path)
    assert (found.size, found.limit) == (64 * GIB, "the machine")


def test_a_group_limits_and_its_file_cache_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, **{"proc/self/cgroup": "0::/job"})
    write(tmp_path, **group("sys/fs/cgroup/job", 8 * GIB, 3 * GIB, GIB))
    found = available(tmp_path)
    assert found.size == 6 * GIB
    assert found.limit.endswith("sys/fs/cgroup/job")


def test_a_group_above_limits_too(tmp_path: Path) -> None:
    write(tmp_path, **{"proc/self/cgroup": "0::/a/b"})
    write(tmp_path, **group("sys/fs/cgroup/a/b", "max", GIB))
    write(tmp_path, **group("sys/fs/cgroup/a", 4 * GIB, 3 * GIB))
    assert available(tmp_path).size == GIB


def test_in_a_container_the_path_is_the_hosts(tmp_path: Path) -> None:
    write(tmp_path, **{"proc/self/cgroup": "0::/docker/0123"})
    write(tmp_path, **group("sys/fs/cgroup", 2 * GIB, GIB))
    assert available(tmp_path).size == GIB


def test_version_1(tmp_path: Path) -> None:
    lines = "9:name=systemd:/\n4:cpu,memory:/job\n0::/"
    write(tmp_path, **{"proc/self/cgroup": lines})
    write(tmp_path, **group("sys/fs/cgroup/memory/job", 5 * GIB, 2 * GIB, v1=True))
    write(tmp_path, **group("sys/fs/cgroup/memory", 9223372036854771712, GIB, v1=True))
    assert available(tmp_path).size == 3 * GIB


@pytest.mark.parametrize("limit", ["max", 9223372036854771712, "soon", ""])
def test_no_limit_is_none(tmp_path: Path, limit: object) -> None:
    write(tmp_path, **{"proc/self/cgroup": "0::/"})
    write(tmp_path, **group("sys/fs/cgroup", limit, GIB))
    assert available(tmp_path).limit == "the machine"


def test_a_group_that_is_over_its_limit_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path, **{"proc/self/cgroup": "0::/"})
    write(tmp_path, **group("sys/fs/cgroup", GIB, 2 * GIB))
    assert available(tmp_path).size == 0
