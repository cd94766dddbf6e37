from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.clock import Clock, stamp
from topoqa_train.errors import MachineError, RequestError
from topoqa_train.runs import store
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import RunStore, root_of_runs

RunFiles = Callable[..., Path]


def test_the_order_of_sources_of_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for unset in ("", None):
        monkeypatch.setenv(store.ROOT_VARIABLE, "")
        if unset is None:
            monkeypatch.delenv(store.ROOT_VARIABLE)
        assert root_of_runs(None) == tmp_path / "training_runs"
        assert root_of_runs(None, Path("from_config")) == tmp_path / "from_config"
    monkeypatch.setenv(store.ROOT_VARIABLE, "~/from_environment")
    assert root_of_runs(None, Path("from_config")) == tmp_path / "from_environment"
    assert root_of_runs(Path("option"), Path("from_config")) == tmp_path / "option"


class TestCreate:
    def test_a_run_has_its_folders_and_latest_points_at_it(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        paths = RunStore(tmp_path / "a" / "runs").create("job", None, clock)
        assert paths.run_id == f"job_{stamp(clock.now())}"
        folders = {entry.name for entry in paths.root.iterdir()}
        assert folders == {"config", "metrics", "model_checkpoints"}
        assert str((paths.root.parent / "latest").readlink()) == paths.run_id

    @pytest.mark.parametrize("kind", ["run", "archived run", "folder", "file"])
    def test_a_name_that_is_taken_is_refused(self, run_files: Any, clock: Clock, kind: str) -> None:
        place = run_files.root / "mine"
        if "run" in kind:
            place = run_files("mine", folder="history" if kind == "archived run" else "")
        elif kind == "folder":
            place.mkdir()
        else:
            place.touch()
        before = sorted(run_files.root.rglob("*"))
        runs = RunStore(run_files.root)
        for refused in (runs.check, lambda name: runs.create("job", name, clock)):
            with pytest.raises(RequestError, match="'mine' exists already") as caught:
                refused("mine")
            assert caught.value.details == (str(place),)
            assert ("resume --run-id mine" in str(caught.value.hint)) is ("run" in kind)
        assert sorted(run_files.root.rglob("*")) == before
        runs.check("other")

    def test_a_run_appears_with_its_first_files(self, tmp_path: Path, clock: Clock) -> None:
        def fill(place: RunPaths, run_id: str) -> None:
            assert list(tmp_path.glob("[!.]*")) == []
            place.metadata.write_text(run_id)

        paths = RunStore(tmp_path).create("job", "mine", clock, fill=fill)
        assert paths.metadata.read_text() == "mine"

    def test_its_files_have_the_name_that_it_got(
        self, tmp_path: Path, clock: Clock, run_files: RunFiles
    ) -> None:
        runs = RunStore(run_files("job").parent)

        def fill(place: RunPaths, run_id: str) -> None:
            place.metadata.write_text(run_id)
            if run_id == "job_2":  # another process is faster
                run_files("job_2")

        paths = runs.create("job", None, clock, stamped=False, fill=fill)
        assert (paths.run_id, paths.metadata.read_text()) == ("job_3", "job_3")

    def test_a_name_is_free_again_after_a_failure(self, tmp_path: Path, clock: Clock) -> None:
        def fail(place: RunPaths, run_id: str) -> None:
            place.metadata.write_text(run_id)
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(place.metadata))

        runs = RunStore(tmp_path)
        with pytest.raises(MachineError, match=r"runs can't go to .*: Input/output error"):
            runs.create("job", "mine", clock, fill=fail)
        assert list(tmp_path.iterdir()) == []
        assert runs.create("job", "mine", clock).run_id == "mine"

    @pytest.mark.parametrize("number", [errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR])
    def test_another_process_may_take_the_name_at_the_last_moment(
        self, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        rename = Path.rename

        def late(self: Path, target: Path) -> Path:
            if target.name == "job":
                raise OSError(number, os.strerror(number), str(self))
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", late)
        assert RunStore(tmp_path).create("job", None, clock, stamped=False).run_id == "job_2"

    def test_hidden_folders_of_killed_processes_are_deleted_after_an_hour(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        young, old = tmp_path / ".new_1_a", tmp_path / ".new_2_b"
        for folder, age in ((young, 60), (old, 7200)):
            (folder / "config").mkdir(parents=True)
            os.utime(folder, (clock.now().timestamp() - age,) * 2)
        RunStore(tmp_path).create("job", "mine", clock)
        assert (young.exists(), old.exists()) == (True, False)

    def test_a_name_is_free_again_if_its_process_was_killed(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        code = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from topoqa_train.clock import SystemClock\n"
            "from topoqa_train.runs.store import RunStore\n"
            "def die(place, run_id): os.kill(os.getpid(), signal.SIGKILL)\n"
            "RunStore(Path(sys.argv[1])).create('job', 'mine', SystemClock(), fill=die)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
        assert done.returncode == -signal.SIGKILL
        runs = RunStore(tmp_path)
        runs.check("mine")
        assert runs.all() == []
        assert runs.create("job", "mine", clock).run_id == "mine"

    @pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ENOSPC])
    def test_a_link_that_fails_is_a_warning(
        self, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        older = RunStore(tmp_path).create("job", "older", clock)

        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(number, os.strerror(number), "x")

        monkeypatch.setattr(os, "symlink", refuse)
        lines: list[str] = []
        paths = RunStore(tmp_path).create("job", "newer", clock, warn=lines.append)
        assert paths.root.is_dir()
        assert "latest still points to an older run" in lines[0]
        assert (tmp_path / "latest").resolve() == older.root

    def test_without_a_stamp_a_taken_name_gets_a_number(
        self, clock: Clock, run_files: RunFiles
    ) -> None:
        runs = RunStore(run_files("base_phase2", folder="history").parent.parent)
        names = [runs.create("base_phase2", None, clock, stamped=False).run_id for _ in range(3)]
        assert names == ["base_phase2_2", "base_phase2_3", "base_phase2_4"]

    @pytest.mark.parametrize("name", ["", "../up", "/absolute", "a\\b", "latest", "a\x00b"])
    def test_other_names_are_refused_and_nothing_is_created(
        self, tmp_path: Path, clock: Clock, name: str
    ) -> None:
        with pytest.raises(RequestError, match="can't have that name"):
            RunStore(tmp_path / "runs").create("job", name, clock)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("given", [True, False])
    def test_of_many_at_once_one_gets_a_given_name_and_each_a_number(
        self, tmp_path: Path, clock: Clock, given: bool
    ) -> None:
        gate = threading.Barrier(8)

        def create(_: int) -> str:
            gate.wait()
            try:
                return RunStore(tmp_path).create("job", "job" if given else None, clock).run_id
            except RequestError:
                return "refused"

        with ThreadPoolExecutor(8) as pool:
            created = set(pool.map(create, range(8)))
        assert len(created) == (2 if given else 8)
        assert ("refused" in created) is given
        assert {entry.name for entry in tmp_path.iterdir()} == {*created, "latest"} - {"refused"}

    @pytest.mark.parametrize("nth", [1, 2, 3])
    @pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
    def test_a_folder_that_can_t_be_created(
        self, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, nth: int, number: int
    ) -> None:
        mkdir, calls = Path.mkdir, [0]

        def fail(self: Path, *arguments: Any, **options: Any) -> None:
            calls[0] += 1
            if calls[0] >= nth:
                raise OSError(number, os.strerror(number), str(self))
            mkdir(self, *arguments, **options)

        monkeypatch.setattr(Path, "mkdir", fail)
        expected = MachineError if number == errno.ENOSPC else RequestError
        with pytest.raises(expected, match=str(tmp_path / "runs")):
            RunStore(tmp_path / "runs").create("job", None, clock)

    @pytest.mark.usefixtures("no_links")
    def test_where_links_can_t_be_created_latest_is_found_all_the_same(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        runs = RunStore(tmp_path)
        runs.create("a", None, clock).metadata.write_text("{}")
        newest = runs.create("b", None, clock)
        newest.metadata.write_text("{}")
        assert runs.find("latest") == store.run_at(tmp_path / "latest") == newest


class TestCheck:
    def test_it_makes_nothing(self, tmp_path: Path) -> None:
        RunStore(tmp_path / "a" / "runs").check("mine")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("below", ["", "runs"])
    def test_a_file_where_the_folder_should_be(
        self, tmp_path: Path, clock: Clock, below: str
    ) -> None:
        root = tmp_path / "file" / below
        (tmp_path / "file").touch()
        for refused in (RunStore(root).check, lambda: RunStore(root).create("job", None, clock)):
            with pytest.raises(RequestError, match=f"runs can't go to {root}") as caught:
                refused()
            assert "--output-root" in (caught.value.hint or "")

    def test_a_folder_that_can_t_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Root may write everywhere, so the system's answer is the test's.
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
        with pytest.raises(RequestError, match=f"{tmp_path} can't be written"):
            RunStore(tmp_path / "runs").check()

    def test_a_folder_called_latest(self, tmp_path: Path, clock: Clock) -> None:
        (tmp_path / "latest" / "things").mkdir(parents=True)
        runs = RunStore(tmp_path)
        for refused in (runs.check, lambda: runs.create("job", None, clock)):
            with pytest.raises(RequestError, match="link to the newest run belongs"):
                refused()


class TestFind:
    def test_runs_are_found_here_and_in_history(self, run_files: RunFiles, tmp_path: Path) -> None:
        run_files("b")
        old = run_files("a", folder="history")
        root = run_files("c").parent
        run_files(".deleting_d_01")
        (root / "not_a_run").mkdir()
        (root / "a_file").write_text("")
        (root / "latest").symlink_to("c")
        runs = RunStore(root)
        assert [paths.root for paths in runs.all()] == [old, root / "b", root / "c"]
        assert (runs.find("a").root, runs.find("b").root) == (old, root / "b")
        assert RunStore(tmp_path / "no").all() == []

    def test_an_unknown_name_gives_the_nearest(self, run_files: RunFiles) -> None:
        root = run_files("sched_boost_seed222_2026").parent
        run_files("zzz")
        with pytest.raises(RequestError) as caught:
            RunStore(root).find("sched_boost_seed222")
        assert caught.value.details == ("near: sched_boost_seed222_2026",)
        assert "leaderboard" in (caught.value.hint or "")

    def test_a_part_of_a_name_gives_the_newest_that_have_it(self, run_files: RunFiles) -> None:
        for day in range(1, 6):
            run_files(f"sched_boost_lr035_seed777_2026-01-0{day}_12-00-00")
        root = run_files("other").parent
        with pytest.raises(RequestError) as caught:
            RunStore(root).find("lr035")
        days = [line.partition("2026-01-0")[2][:1] for line in caught.value.details]
        assert days == ["3", "4", "5"]

    @pytest.mark.parametrize("name", ["../outside", "history/old", "", "."])
    def test_a_path_is_no_name(self, run_files: RunFiles, name: str) -> None:
        root = run_files("new").parent
        run_files("old", folder="history")
        run_files("outside", folder="..")
        with pytest.raises(RequestError):
            RunStore(root).find(name)


class TestLatest:
    @pytest.fixture
    def root(self, run_files: RunFiles) -> Path:
        for moment, name in enumerate(("first", "second", "third"), start=10**9):
            run = run_files(name)
            os.utime(run / "run_metadata.json", (moment, moment))
        return run.parent

    @pytest.mark.parametrize("target", ["gone", "../elsewhere", "latest", ""])
    def test_without_a_link_to_a_run_it_is_the_newest(self, root: Path, target: str) -> None:
        if target:
            (root / "latest").symlink_to(target)
        assert RunStore(root).latest() is None
        assert RunStore(root).find("latest").run_id == "third"

    @pytest.mark.parametrize("target", ["second", "/home/elsewhere/runs/second", "../gone/second"])
    @pytest.mark.parametrize("folder", ["", "history"])
    def test_it_is_the_run_of_the_link_s_name(self, root: Path, target: str, folder: str) -> None:
        (root / "history").mkdir()
        (root / "second").rename(root / folder / "second")
        (root / "latest").symlink_to(target)
        assert RunStore(root).find("latest").root == root / folder / "second"

    def test_a_copy_that_followed_the_link_is_not_listed(self, root: Path) -> None:
        shutil.copytree(root / "second", root / "latest")
        assert RunStore(root).find("latest").root == root / "latest"
        assert [run.run_id for run in RunStore(root).all()] == ["first", "second", "third"]

    def test_without_runs_the_hint_is_how_to_start_one(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError) as caught:
            RunStore(tmp_path).find("latest")
        assert "pipeline" in (caught.value.hint or "")


class TestMoved:
    def test_the_current_place_of_a_run(self, run_files: RunFiles) -> None:
        old = RunPaths(run_files("old", folder="history"))
        root = old.root.parent.parent
        assert store.current_place(RunPaths(root / "old")) == old
        assert store.current_place(old) == old
        assert store.run_at(root / "old") == old
        there = RunPaths(run_files("new"))
        assert store.current_place(there) == there
        assert store.current_place(RunPaths(root / "no")) == RunPaths(root / "no")

    def test_a_run_in_both_places_is_not_the_archived_one(self, run_files: RunFiles) -> None:
        run_files("twice", folder="history")
        here = RunPaths(run_files("twice"))
        assert store.current_place(here) == here
        runs = RunStore(here.root.parent)
        assert runs.find("twice") == here
        assert len(runs.all()) == 2

    def test_one_that_moves_between_two_scans_is_listed_once(
        self, run_files: RunFiles, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = run_files("moving").parent
        (root / "history").mkdir()
        walk = RunStore._walk

        def move_meanwhile(folder: Path) -> list[RunPaths]:
            found = walk(folder)
            if folder == root:
                (root / "moving").rename(root / "history" / "moving")
            return found

        monkeypatch.setattr(RunStore, "_walk", staticmethod(move_meanwhile))
        assert RunStore(root).all() == [RunPaths(root / "history" / "moving")]

    def test_a_root_that_can_t_be_read_is_a_wrong_request(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(self: Path) -> None:
            raise PermissionError(13, "Permission denied", str(self))

        monkeypatch.setattr(Path, "iterdir", refuse)
        with pytest.raises(RequestError, match="can't be read: Permission denied"):
            RunStore(tmp_path).all()


def test_the_run_of_a_checkpoint(run_files: RunFiles) -> None:
    root = run_files("a").parent
    (root / "latest").symlink_to("a")
    for path in ("/elsewhere/runs/a/model_checkpoints/x.chkpt", "/runs/a/model.0.5.chkpt"):
        assert store.run_of(path) == store.run_of(Path(path)) == "a"
    assert store.run_of(root / "latest" / "model_checkpoints" / "best.ckpt") == "a"


class TestRunAt:
    def test_by_path(self, run_files: RunFiles, monkeypatch: pytest.MonkeyPatch) -> None:
        run = run_files("a")
        monkeypatch.chdir(run.parent)
        assert store.run_at(run) == store.run_at(Path("a")) == RunPaths(run)

    @pytest.mark.parametrize("target", ["b", "/home/elsewhere/runs/b"])
    def test_latest_by_path(
        self, run_files: RunFiles, monkeypatch: pytest.MonkeyPatch, target: str
    ) -> None:
        run_files("a")
        run = run_files("b", folder="history" if target != "b" else "")
        root = RunPaths(run_files("c")).root.parent
        (root / "latest").symlink_to(target)
        monkeypatch.chdir(root)
        assert store.run_at(Path("latest")).root == store.run_at(root / "latest").root == run

    def test_one_that_does_not_exist_is_returned_as_it_is(self, tmp_path: Path) -> None:
        assert store.run_at(tmp_path / "latest") == RunPaths(tmp_path / "latest")


def test_a_checkpoint_of_an_archived_run_is_found(run_files: RunFiles) -> None:
    run = run_files("old", folder="history")
    file = run / "model_checkpoints" / "best.ckpt"
    before = run.parent.parent / "old" / "model_checkpoints" / "best.ckpt"
    assert store.current_checkpoint(before) == store.current_checkpoint(file) == file
    assert store.current_checkpoint(run / "elsewhere.ckpt") == run / "elsewhere.ckpt"
