from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import pytest

from topoqa_ramdisk import disks
from topoqa_ramdisk.disks import MacRamDisk, PlainFolder, SharedMemory
from topoqa_train.errors import MachineError

MOUNTS = """\
22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:6 / {folder} rw - devtmpfs devtmpfs rw
25 23 0:23 / {folder}/shm rw,relatime - tmpfs tmpfs rw,size=64k
26 23 0:24 / {folder}/with\\040space rw - ramfs none rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    for name in ("shm/deep", "with space", "disk"):
        (tmp_path / name).mkdir(parents=True)
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTS.format(folder=tmp_path))
    return file


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("shm", "tmpfs"),
        ("shm/deep", "tmpfs"),
        ("disk", "devtmpfs"),
        ("with space", "ramfs"),
        ("/usr", "ext4"),
        ("gone", None),
    ],
)
def test_the_file_system_of_a_folder(
    mounts: Path, tmp_path: Path, folder: str, kind: str | None
) -> None:
    assert disks.file_system(tmp_path / folder, mounts) == kind
    assert disks.is_in_memory(tmp_path / folder, mounts) is (kind in ("tmpfs", "ramfs"))


def test_of_two_mounts_on_one_place_the_later_is_seen(mounts: Path, tmp_path: Path) -> None:
    with mounts.open("a") as file:
        file.write(f"30 23 0:27 / {tmp_path}/shm rw - overlay none rw\n")
    assert disks.file_system(tmp_path / "shm", mounts) == "overlay"


def test_shared_memory_has_to_be_in_memory(mounts: Path, tmp_path: Path) -> None:
    room = SharedMemory(tmp_path / "shm", mounts).room()
    assert room is not None
    assert room.size > 0
    with pytest.raises(MachineError, match="is not in memory: it is on devtmpfs"):
        SharedMemory(tmp_path / "disk", mounts).room()
    with pytest.raises(MachineError, match="no such folder"):
        SharedMemory(tmp_path / "gone", mounts).room()


@pytest.mark.skipif(platform.system() != "Linux", reason="/dev/shm is Linux's")
def test_this_machines_own_shared_memory() -> None:
    if not disks.is_in_memory(disks.SHARED_MEMORY):
        pytest.skip("/dev/shm is no tmpfs here")
    room = SharedMemory().room()
    status = os.statvfs("/dev/shm")
    assert room is not None
    assert room.size <= status.f_blocks * status.f_frsize


def test_a_folder_is_ours_alone_and_goes_with_all_in_it(tmp_path: Path) -> None:
    disk, folder = PlainFolder(tmp_path), tmp_path / "x"
    assert disk.make(folder, 10) is None
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(FileExistsError):
        disk.make(folder, 10)
    (folder / "below").mkdir()
    (folder / "below" / "file").touch()
    disk.unmake(folder, None)
    assert not folder.exists()
    disk.unmake(folder, None)  # gone already


def test_links_and_folders_of_others_are_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    disks.remove_folder(tmp_path / "link")
    assert (tmp_path / "theirs" / "file").exists()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    disks.remove_folder(tmp_path / "theirs")
    assert (tmp_path / "theirs" / "file").exists()


class TestChoice:
    @pytest.mark.parametrize(("system", "kind"), [("Linux", SharedMemory), ("Darwin", MacRamDisk)])
    def test_by_system(self, system: str, kind: type) -> None:
        assert type(disks.choose(test_mode=False, system=system)) is kind
        assert type(disks.choose(test_mode=True, system=system)) is PlainFolder

    def test_elsewhere_there_is_none(self) -> None:
        with pytest.raises(MachineError, match="no RAM disk for Windows"):
            disks.choose(test_mode=False, system="Windows")


class Mac:
    """Simulates macOS: answers like its tools, fails on request."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.ran: list[list[str]] = []
        self.mounted: set[Path] = set()

    def __call__(self, command: Sequence[str]) -> str:
        self.ran.append(list(command))
        words = " ".join(command)
        if any(words.startswith(bad) for bad in self.failing):
            raise MachineError(f"{command[0]} failed")
        if words.startswith("hdiutil attach"):
            return "/dev/disk4          \t         \t\n"
        if words.startswith("diskutil mount"):
            self.mounted.add(Path(command[3]))
        if words.startswith("hdiutil detach"):
            self.mounted.clear()
        return ""

    def disk(self, parent: Path) -> MacRamDisk:
        return MacRamDisk(parent, self, lambda folder: folder in self.mounted)


class TestMac:
    """The commands only: this was not run on a Mac."""

    def test_it_is_attached_formatted_mounted_and_detached(self, tmp_path: Path) -> None:
        mac, folder = Mac(), tmp_path / "topoqa_ramdisk_0123456789abcdef"
        disk = mac.disk(tmp_path)
        assert disk.room() is None
        device = disk.make(folder, 100 * 2**20)
        assert device == "/dev/disk4"
        sectors = int(mac.ran[0][3].removeprefix("ram://"))
        assert 100 * 2**20 < sectors * 512 < 140 * 2**20
        assert mac.ran == [
            ["hdiutil", "attach", "-nomount", f"ram://{sectors}"],
            ["newfs_hfs", "-v", "topoqa_ramdisk_0123456789ab", "/dev/disk4"],
            ["diskutil", "mount", "-mountPoint", str(folder), "/dev/disk4"],
        ]
        disk.unmake(folder, device)
        assert mac.ran[-1] == ["hdiutil", "detach", "/dev/disk4"]
        assert not folder.exists()

    @pytest.mark.parametrize("failing", ["newfs_hfs", "diskutil mount"])
    def test_what_can_t_be_made_is_detached_again(self, tmp_path: Path, failing: str) -> None:
        mac, folder = Mac(failing), tmp_path / "x"
        with pytest.raises(MachineError):
            mac.disk(tmp_path).make(folder, 10)
        assert mac.ran[-1] == ["hdiutil", "detach", "/dev/disk4"]
        assert not folder.exists()

    def test_what_can_t_be_attached_leaves_no_folder(self, tmp_path: Path) -> None:
        mac = Mac("hdiutil attach")
        with pytest.raises(MachineError):
            mac.disk(tmp_path).make(tmp_path / "x", 10)
        assert len(mac.ran) == 1
        assert not (tmp_path / "x").exists()

    def test_a_busy_disk_is_detached_by_force(self, tmp_path: Path) -> None:
        mac, folder = Mac("hdiutil detach /dev"), tmp_path / "x"
        disk = mac.disk(tmp_path)
        device = disk.make(folder, 10)
        disk.unmake(folder, device)
        assert mac.ran[-1] == ["hdiutil", "detach", "-force", "/dev/disk4"]

    def test_a_device_that_is_no_longer_ours_is_left_alone(self, tmp_path: Path) -> None:
        mac, folder = Mac(), tmp_path / "x"
        disk = mac.disk(tmp_path)
        device = disk.make(folder, 10)
        mac.mounted.clear()  # the machine was restarted, and the name belongs to another disk
        disk.unmake(folder, device)
        assert not [command for command in mac.ran if "detach" in command]


def test_failing_commands_report_why() -> None:
    assert disks.run_command(["sh", "-c", "echo yes"]) == "yes\n"
    with pytest.raises(MachineError) as caught:
        disks.run_command(["sh", "-c", "echo no room >&2; exit 3"])
    assert caught.value.details == ("no room",)
    with pytest.raises(MachineError, match="no-such-program"):
        disks.run_command(["no-such-program"])
