from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_ramdisk import staging
from topoqa_ramdisk.disks import PlainFolder
from topoqa_ramdisk.graphs import GraphFiles, find_graphs
from topoqa_ramdisk.staging import Marker
from topoqa_train.errors import DataError, MachineError


@pytest.fixture
def found(graphs: Path) -> GraphFiles:
    return find_graphs(graphs)


@pytest.fixture
def disk(tmp_path: Path) -> PlainFolder:
    (tmp_path / "shm").mkdir()
    return PlainFolder(tmp_path / "shm")


def nothing(*arguments: Any) -> None:
    pass


def names(disk: PlainFolder) -> list[str]:
    return sorted(path.name for path in disk.parent.iterdir())


class TestHeld:
    def test_graphs_are_staged_and_then_removed(self, found: GraphFiles, disk: PlainFolder) -> None:
        announced, steps = [], []
        with staging.held(found, disk, "ram", announced.append) as place:
            staging.fill(place, found, steps.append)
            assert place.folder == disk.parent / staging.staging_name(found.source, "ram")
            assert (place.graph_dir / "1ABC" / "001.pt").read_bytes() == b"y" * 100
            assert (place.folder / "graph_metadata.json").is_file()
            assert announced == [staging.marker_path(disk.parent, place.folder.name)]
        assert steps == [1] * len(found.files)
        assert names(disk) == []

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
    def test_it_is_gone_after_any_failure(
        self, found: GraphFiles, disk: PlainFolder, error: type[BaseException]
    ) -> None:
        def train() -> None:
            with staging.held(found, disk, "ram", nothing) as place:
                staging.fill(place, found, nothing)
                raise error

        with pytest.raises(error):
            train()
        assert names(disk) == []

    def test_the_name_is_the_sources(self, found: GraphFiles, disk: PlainFolder) -> None:
        seen = []
        for _ in range(2):
            with staging.held(found, disk, "ram", nothing) as place:
                seen.append(place.folder)
        assert seen[0] == seen[1]

    def test_two_at_once_do_not_share(self, found: GraphFiles, disk: PlainFolder) -> None:
        with (
            staging.held(found, disk, "ram", nothing) as one,
            staging.held(found, disk, "ram", nothing) as other,
        ):
            assert other.folder.name == f"{one.folder.name}_2"
            staging.fill(one, found, nothing)
            staging.fill(other, found, nothing)
        assert names(disk) == []

    def test_a_folder_without_marker_is_left_alone(
        self, found: GraphFiles, disk: PlainFolder
    ) -> None:
        name = staging.staging_name(found.source, "ram")
        (disk.parent / name).mkdir()
        (disk.parent / name / "theirs").touch()
        with staging.held(found, disk, "ram", nothing) as place:
            assert place.folder.name == f"{name}_2"
        assert names(disk) == [name]
        assert (disk.parent / name / "theirs").exists()

    def test_a_place_that_can_t_be_written_to(
        self, found: GraphFiles, disk: PlainFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(os, "access", lambda *arguments: False)
        with (
            pytest.raises(MachineError, match="can't be written to"),
            staging.held(found, disk, "ram", nothing),
        ):
            pass

    def test_a_disk_that_could_not_be_made_leaves_nothing(
        self, found: GraphFiles, disk: PlainFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(folder: Path, size: int) -> None:
            raise MachineError("no device")

        monkeypatch.setattr(disk, "make", fail)
        with (
            pytest.raises(MachineError, match="no device"),
            staging.held(found, disk, "ram", nothing),
        ):
            pass
        assert names(disk) == []

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
    def test_a_full_disk_is_no_reason_to_try_other_names(
        self, found: GraphFiles, disk: PlainFolder, number: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*arguments: Any) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "open", fail)
        with (
            pytest.raises(OSError, match=os.strerror(number)),
            staging.held(found, disk, "ram", nothing),
        ):
            pass


class TestFill:
    def test_stopped_in_between(self, found: GraphFiles, disk: PlainFolder) -> None:
        def stop(count: int) -> None:
            raise KeyboardInterrupt

        with (
            pytest.raises(KeyboardInterrupt),
            staging.held(found, disk, "ram", nothing) as place,
        ):
            staging.fill(place, found, stop)
        assert names(disk) == []

    def test_a_graph_that_went_away(self, found: GraphFiles, disk: PlainFolder) -> None:
        found.graphs[0].path.unlink()
        with (
            pytest.raises(DataError, match=r"001\.pt can't be read"),
            staging.held(found, disk, "ram", nothing) as place,
        ):
            staging.fill(place, found, nothing)

    def test_a_graph_that_changed(self, found: GraphFiles, disk: PlainFolder) -> None:
        found.graphs[0].path.write_bytes(b"more than before" * 100)
        with (
            pytest.raises(DataError, match="changed while it was staged"),
            staging.held(found, disk, "ram", nothing) as place,
        ):
            staging.fill(place, found, nothing)

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.ENOMEM])
    def test_no_room(
        self,
        found: GraphFiles,
        disk: PlainFolder,
        number: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fail(source: Path, target: Path) -> None:
            raise OSError(number, os.strerror(number), str(source))  # as shutil names it

        monkeypatch.setattr(shutil, "copyfile", fail)
        with (
            pytest.raises(MachineError, match="could not be staged"),
            staging.held(found, disk, "ram", nothing) as place,
        ):
            staging.fill(place, found, nothing)
        assert names(disk) == []


OWNER = """
import sys, time
from pathlib import Path
from topoqa_ramdisk import staging
from topoqa_ramdisk.disks import PlainFolder
from topoqa_ramdisk.graphs import find_graphs
found = find_graphs(Path(sys.argv[1]))
with staging.held(found, PlainFolder(Path(sys.argv[2])), "ram", lambda path: None) as place:
    staging.fill(place, found, lambda count: None)
    print(place.folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def owner(graphs: Path, disk: PlainFolder) -> Any:
    """Another process that holds a staging of the same graphs."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(graphs), str(disk.parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.folder = Path(process.stdout.readline().strip())  # type: ignore[attr-defined]
    yield process
    process.kill()
    process.communicate()


class TestAfterAKill:
    def test_a_living_owner_is_left_alone(
        self, owner: Any, found: GraphFiles, disk: PlainFolder
    ) -> None:
        assert staging.left_behind(disk.parent) == []
        assert owner.folder.is_dir()
        with staging.held(found, disk, "ram", nothing) as place:
            assert place.folder.name == f"{owner.folder.name}_2"

    def test_what_a_dead_one_left_is_taken_down(self, owner: Any, disk: PlainFolder) -> None:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert (owner.folder / "graph_data" / "2XYZ_001.pt").is_file()
        assert staging.left_behind(disk.parent) == [owner.folder]
        assert names(disk) == []
        assert staging.left_behind(disk.parent) == []

    def test_its_name_is_free_again(self, owner: Any, found: GraphFiles, disk: PlainFolder) -> None:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        with staging.held(found, disk, "ram", nothing) as place:
            assert place.folder == owner.folder
            assert list(place.folder.iterdir()) == []

    def test_an_empty_marker_names_no_folder(self, disk: PlainFolder) -> None:
        (disk.parent / "x").mkdir()
        staging.marker_path(disk.parent, "x").touch()  # its owner died before it wrote
        staging.left_behind(disk.parent)
        assert names(disk) == ["x"]

    @pytest.mark.parametrize("text", ["[1]", "{", '{"kind": "castle"}'])
    def test_a_marker_that_makes_no_sense_harms_nobody(self, disk: PlainFolder, text: str) -> None:
        (disk.parent / "x").mkdir()
        staging.marker_path(disk.parent, "x").write_text(text)
        staging.left_behind(disk.parent)
        assert names(disk) == ["x"]

    def test_a_marker_that_is_a_link_is_not_followed(
        self, disk: PlainFolder, tmp_path: Path
    ) -> None:
        target = tmp_path / "precious"
        target.write_text('{"kind": "folder"}')
        staging.marker_path(disk.parent, "x").symlink_to(target)
        (disk.parent / "x").mkdir()
        assert staging.left_behind(disk.parent) == []
        assert target.exists()
        assert (disk.parent / "x").exists()


class TestMarker:
    def test_one_holder_at_a_time(self, disk: PlainFolder) -> None:
        path = staging.marker_path(disk.parent, "x")
        assert Marker.lock(path, create=False) is None
        assert not path.exists()
        marker = Marker.lock(path, create=True)
        assert marker is not None
        assert marker.folder == disk.parent / "x"
        assert Marker.lock(path, create=True) is None
        marker.write(kind="folder")
        marker.release()
        again = Marker.lock(path, create=False)
        assert again is not None
        assert again.content == {"kind": "folder"}
        again.remove()
        assert not path.exists()

    def test_a_lock_on_a_marker_that_is_gone_counts_for_nothing(
        self, disk: PlainFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import fcntl

        path = staging.marker_path(disk.parent, "x")
        first = Marker.lock(path, create=True)
        assert first is not None
        flock: Callable[..., None] = fcntl.flock
        calls = []

        def late(descriptor: int, operation: int) -> None:
            calls.append(descriptor)
            if len(calls) == 1:
                assert first is not None
                first.remove()  # between our opening it and our locking it
            flock(descriptor, operation)

        monkeypatch.setattr(fcntl, "flock", late)
        second = Marker.lock(path, create=True)
        assert second is not None
        assert len(calls) == 2
        assert os.path.samestat(os.fstat(second.descriptor), path.stat())
