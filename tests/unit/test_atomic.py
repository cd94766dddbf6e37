from __future__ import annotations

import errno
import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import flushing
import pytest

from topoqa_train import atomic
from topoqa_train.errors import MachineError, RequestError

OLD = b"old content"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "file.json"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def only_the_old(path: Path) -> bool:
    """Return whether the folder holds the old file and nothing else."""
    return path.read_bytes() == OLD and [entry.name for entry in path.parent.iterdir()] == [
        path.name
    ]


class TestReplacing:
    def test_the_new_content_takes_the_place_at_the_end(self, file: Path) -> None:
        with atomic.replacing(file) as temporary:
            assert temporary.parent == file.parent
            temporary.write_bytes(b"new")
            assert file.read_bytes() == OLD
        assert file.read_bytes() == b"new"
        assert list(file.parent.iterdir()) == [file]

    def test_a_file_that_was_not_there(self, tmp_path: Path) -> None:
        atomic.write_text(tmp_path / "x", "Grüße\n")
        assert (tmp_path / "x").read_bytes() == "Grüße\n".encode()

    @pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
    def test_an_exception_keeps_the_old_file(self, file: Path, kind: type[BaseException]) -> None:
        def fail_half_way() -> None:
            with atomic.replacing(file) as temporary:
                temporary.write_bytes(b"ne")
                raise kind

        with pytest.raises(kind):
            fail_half_way()
        assert only_the_old(file)

    def test_nothing_written_is_an_error_and_keeps_the_old_file(self, file: Path) -> None:
        with pytest.raises(FileNotFoundError), atomic.replacing(file):
            pass
        assert only_the_old(file)

    def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_return(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        steps = flushing.watch(monkeypatch)

        atomic.write_text(file, "new")
        temporary, *rest = steps
        assert temporary.endswith(atomic.TEMPORARY_SUFFIX)
        assert rest == ["renamed", "folder"]

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
    @pytest.mark.parametrize("step", ["write", "flush", "rename"])
    def test_a_full_disk_is_a_machine_error_and_keeps_the_old_file(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
    ) -> None:
        def full(*_: Any) -> None:
            raise OSError(number, os.strerror(number), "x")

        targets = {"write": (Path, "write_bytes"), "flush": (os, "fsync")}
        monkeypatch.setattr(*targets.get(step, (Path, "replace")), full)
        with pytest.raises(MachineError) as caught:
            atomic.write_bytes(file, b"new")
        monkeypatch.undo()
        assert only_the_old(file)
        assert str(file) in caught.value.message
        assert "MiB free" in caught.value.details[0]
        assert "--output-root" in (caught.value.hint or "")

    def test_other_errors_are_not_converted(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: Any) -> None:
            raise PermissionError(errno.EACCES, "no", "x")

        monkeypatch.setattr(Path, "write_bytes", refuse)
        with pytest.raises(PermissionError):
            atomic.write_bytes(file, b"new")
        monkeypatch.undo()
        assert only_the_old(file)

    @pytest.mark.parametrize("step", ["open", "fsync", "replace"])
    def test_an_error_names_the_final_path(
        self, file: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        def fail(first: Any, *_: Any, **__: Any) -> None:
            # As the system does it: fsync names no file.
            names = [] if isinstance(first, int) else [str(first)]
            raise OSError(errno.EIO, os.strerror(errno.EIO), *names)

        monkeypatch.setattr(io if step == "open" else os, step, fail)
        with pytest.raises(OSError) as caught:  # noqa: PT011 - looked at below
            atomic.write_bytes(file, b"new")
        monkeypatch.undo()
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(file))
        assert only_the_old(file)

    def test_a_second_error_does_not_hide_the_first(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: Path, missing_ok: bool = False) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

        def fail(descriptor: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(Path, "unlink", refuse)
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output error"):
            atomic.write_bytes(file, b"new")
        monkeypatch.undo()
        assert file.read_bytes() == OLD

    def test_a_killed_process_keeps_the_old_file(self, file: Path) -> None:
        code = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from topoqa_train import atomic\n"
            "with atomic.replacing(Path(sys.argv[1])) as temporary:\n"
            "    temporary.write_bytes(b'ne')\n"
            "    os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(file)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert file.read_bytes() == OLD

    def test_leftovers_are_deleted_unless_their_writer_runs(self, file: Path) -> None:
        dead = subprocess.Popen([sys.executable, "-S", "-c", ""])
        dead.wait()
        writers = {"dead": dead.pid, "mine": os.getpid(), "at work": os.getppid()}
        left = {
            who: file.with_name(f".x.json.{pid}.abcd{atomic.TEMPORARY_SUFFIX}")
            for who, pid in writers.items()
        }
        for path in (*left.values(), file.with_name(".mine.tmp"), file.with_name("theirs.tmp")):
            path.write_text("half")
        atomic.delete_leftovers(file.parent)
        there = {entry.name for entry in file.parent.iterdir()}
        assert there == {file.name, "theirs.tmp", left["at work"].name}
        atomic.delete_leftovers(file.parent / "not there")

    def test_many_writers_at_once_leave_one_whole_file(self, file: Path) -> None:
        contents = [bytes([65 + number]) * 50_000 for number in range(8)]
        threads = [
            threading.Thread(target=atomic.write_bytes, args=(file, content))
            for content in contents
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert file.read_bytes() in contents
        assert list(file.parent.iterdir()) == [file]


class TestJson:
    def test_it_is_indented_utf_8(self, tmp_path: Path) -> None:
        document = {"b": [1, 2.5, None], "a": "Grüße"}
        atomic.write_json(tmp_path / "x.json", document)
        text = (tmp_path / "x.json").read_text("utf-8")
        assert json.loads(text) == document
        assert list(json.loads(text)) == ["b", "a"]
        assert "Grüße" in text
        assert text.endswith("}\n")

    @pytest.mark.parametrize("value", [math.nan, math.inf, object()])
    def test_values_without_json_form_keep_the_old_file(self, file: Path, value: object) -> None:
        with pytest.raises((ValueError, TypeError)):
            atomic.write_json(file, {"a": value})
        assert only_the_old(file)


class TestAppending:
    def test_each_call_is_one_line(self, tmp_path: Path) -> None:
        path = tmp_path / "log"
        for line in ("one", "two\n", "drei ß"):
            atomic.append_line(path, line)
        assert path.read_text("utf-8") == "one\ntwo\ndrei ß\n"

    def test_a_line_is_on_the_disk_when_the_call_returns(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order: list[str] = []
        write, fsync = os.write, os.fsync
        monkeypatch.setattr(os, "write", lambda *a: (order.append("write"), write(*a))[1])
        monkeypatch.setattr(os, "fsync", lambda fd: (order.append("flush"), fsync(fd))[1])
        atomic.append_line(tmp_path / "log", "one")
        assert order == ["write", "flush"]

    def test_a_write_that_came_out_short_is_finished(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:3])))
        atomic.append_line(tmp_path / "log", "0,1,2,3")
        assert (tmp_path / "log").read_text() == "0,1,2,3\n"

    def test_a_disk_that_fills_up_in_the_line_is_an_error_and_leaves_no_half_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "log"
        atomic.append_line(path, "whole")
        write, room = os.write, [3]

        def nearly_full(descriptor: int, data: bytes) -> int:
            if not room:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(descriptor, bytes(data[: room.pop()]))

        monkeypatch.setattr(os, "write", nearly_full)
        with pytest.raises(MachineError):
            atomic.append_line(path, "half of this")
        monkeypatch.undo()
        assert path.read_text() == "whole\n"


class TestLinks:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "one").write_text("1")
        (tmp_path / "two").write_text("2")
        (tmp_path / "run").mkdir()
        return tmp_path

    def test_a_link_is_relative_and_can_be_moved_with_its_folder(self, folder: Path) -> None:
        atomic.replace_link(folder / "best", "one")
        assert str((folder / "best").readlink()) == "one"
        moved = folder.with_name("moved")
        folder.rename(moved)
        assert atomic.link_target(moved / "best") == moved / "one"

    def test_a_link_is_replaced_with_no_moment_without_one(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        atomic.replace_link(folder / "best", "one")
        before: list[str] = []
        replace = Path.replace

        def watched(self: Path, target: Path) -> Path:
            before.append(str(target.readlink()))
            return replace(self, target)

        def removed(self: Path, missing_ok: bool = False) -> None:
            raise AssertionError(f"{self} was removed")

        monkeypatch.setattr(Path, "replace", watched)
        monkeypatch.setattr(Path, "unlink", removed)
        atomic.replace_link(folder / "best", "two")
        monkeypatch.undo()
        assert before == ["one"]
        assert (folder / "best").read_text() == "2"
        assert sorted(entry.name for entry in folder.iterdir()) == ["best", "one", "run", "two"]

    def test_a_link_takes_the_place_of_a_file(self, folder: Path) -> None:
        (folder / "best").write_text("a copy from elsewhere")
        atomic.replace_link(folder / "best", "two")
        assert (folder / "best").read_text() == "2"

    def test_an_error_keeps_the_old_link_and_leaves_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        atomic.replace_link(folder / "best", "one")

        def refuse(self: Path, target: Path) -> None:
            raise OSError(errno.EIO, "broken")

        monkeypatch.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="broken"):
            atomic.replace_link(folder / "best", "two")
        monkeypatch.undo()
        assert str((folder / "best").readlink()) == "one"
        assert sorted(entry.name for entry in folder.iterdir()) == ["best", "one", "run", "two"]

    @pytest.mark.parametrize("step", ["symlink", "replace", "fsync"])
    def test_an_error_names_the_link(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        def fail(*arguments: Any, **options: Any) -> None:
            names = [] if step == "fsync" else [str(arguments[0])]
            if step == "symlink":  # the target is the first argument, the link the second
                names = [str(arguments[1])]
            raise OSError(errno.EIO, os.strerror(errno.EIO), *names)

        monkeypatch.setattr(os, step, fail)
        with pytest.raises(OSError) as caught:  # noqa: PT011 - looked at below
            atomic.replace_link(folder / "best", "one")
        assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(folder / "best"))

    @pytest.mark.usefixtures("no_links")
    def test_where_links_can_t_be_made_a_file_is_copied(self, folder: Path) -> None:
        atomic.replace_link(folder / "best", "one")
        atomic.replace_link(folder / "best", "two")
        assert not (folder / "best").is_symlink()
        assert (folder / "best").read_text() == "2"

    @pytest.mark.usefixtures("no_links")
    def test_where_links_can_t_be_made_a_folder_gets_a_pointer_file(self, folder: Path) -> None:
        atomic.replace_link(folder / "latest", "run")
        assert (folder / "latest").is_file()
        assert atomic.link_target(folder / "latest") == folder / "run"

    @pytest.mark.parametrize(
        ("number", "kind"), [(errno.ENOSPC, MachineError), (errno.EACCES, PermissionError)]
    )
    def test_other_errors_lead_to_no_copy(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
    ) -> None:
        def refuse(*_: Any) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(Path, "symlink_to", refuse)
        with pytest.raises(kind):
            atomic.replace_link(folder / "best", "one")
        assert not (folder / "best").exists()

    def test_the_target_of_a_dangling_link_is_returned(self, folder: Path) -> None:
        (folder / "latest").symlink_to("/home/elsewhere/runs/r")
        assert atomic.link_target(folder / "latest") == Path("/home/elsewhere/runs/r")
        (folder / "pointer").write_text("gone\n")
        assert atomic.link_target(folder / "pointer") == folder / "gone"
        assert atomic.link_target(folder / "nothing") is None
        (folder / "a_folder").mkdir()
        assert atomic.link_target(folder / "a_folder") is None

    def test_a_truncated_pointer_has_no_target(self, folder: Path) -> None:
        whole = b"run_2\n"
        for length in range(len(whole) + 1):
            (folder / "latest").write_bytes(whole[:length])
            found = atomic.link_target(folder / "latest")
            assert found == (folder / "run_2" if length == len(whole) else None)

    @pytest.mark.parametrize("content", [b"a\0b\n", b"\xff\n", b"", b"\n", b"x" * 4096 + b"\n"])
    def test_a_file_without_a_name_in_it_is_no_pointer(self, folder: Path, content: bytes) -> None:
        (folder / "latest").write_bytes(content)
        assert atomic.link_target(folder / "latest") is None


def test_new_files_have_different_names(tmp_path: Path) -> None:
    made = [atomic.new_file(tmp_path, "log_2026", ".log").name for _ in range(3)]
    assert made == ["log_2026.log", "log_2026_2.log", "log_2026_3.log"]


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (MachineError, (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE)),
        (RequestError, (errno.ENOENT, errno.EACCES, errno.EROFS, errno.ENOTDIR)),
    ],
)
def test_a_failing_machine_is_no_wrong_request(kind: type, numbers: tuple[int, ...]) -> None:
    for number in numbers:
        error = atomic.as_project_error(OSError(number, os.strerror(number), "/some/file"))
        assert type(error) is kind
        assert error.message == f"/some/file: {os.strerror(number)}"
