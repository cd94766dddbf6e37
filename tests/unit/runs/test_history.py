from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from legacy_runs import metadata, training, write_legacy_run

from topoqa_train.errors import RequestError
from topoqa_train.runs import history, ledger, lock, status, summary
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore

Make = Callable[..., Path]


@pytest.fixture
def make(run_files: Any) -> Make:
    """A run that was made on a day of January, from 1."""

    def _make(name: str, day: int = 1, **options: Any) -> Path:
        run: Path = run_files(name, created=f"2026-01-{day:02d}T12:00:00.000+00:00", **options)
        return run

    return _make


@pytest.fixture
def store(run_files: Any) -> RunStore:
    return RunStore(run_files.root)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()


class TestHowMany:
    @pytest.mark.parametrize(
        ("text", "number"), [(None, 20), ("", 20), (" ", 20), ("0", 0), ("7", 7), (" 100 ", 100)]
    )
    def test_the_environment_says(
        self, monkeypatch: pytest.MonkeyPatch, text: str | None, number: int
    ) -> None:
        monkeypatch.delenv(history.KEEP_VARIABLE, raising=False)
        if text is not None:
            monkeypatch.setenv(history.KEEP_VARIABLE, text)
        assert history.keep_runs() == number

    @pytest.mark.parametrize("text", ["-1", "many", "1.5", "1e3", "٣", "9" * 12, "0x1", "1,000"])
    def test_a_variable_that_is_not_a_number_of_runs_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setenv(history.KEEP_VARIABLE, text)
        with pytest.raises(RequestError) as caught:
            history.keep_runs()
        assert f"TOPOQA_TRAIN_KEEP_RUNS: '{text}'" in caught.value.message


class TestTidy:
    def test_finished_runs_beyond_the_newest_move(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        # By when they were made, neither by name nor by when they were last touched.
        for name, day in (("e", 1), ("a", 5), ("c", 2), ("b", 4), ("d", 3)):
            make(name, day)
        moved = history.tidy(store, clock, keep=2)
        assert {run.run_id for run in moved} == {"c", "d", "e"}
        assert all(run.root == store.root / "history" / run.run_id for run in moved)
        assert {run.run_id for run in store.here()} == {"a", "b"}
        assert [run.run_id for run in store.all()] == ["a", "b", "c", "d", "e"]

    def test_a_moved_run_reads_as_before(self, make: Make, store: RunStore, clock: Any) -> None:
        before = summary.read(RunPaths(make("old")), clock)
        (after,) = history.tidy(store, clock, keep=0)
        found = summary.read(after, clock)
        assert found.rows == before.rows
        best, earlier = found.best(), before.best()
        assert best is not None
        assert earlier is not None
        assert best.path.read_text() == f"weights of epoch {earlier.epoch}"
        assert summary.read(before.paths, clock).paths == after

    @pytest.mark.parametrize("keep", [3, 4, 20])
    def test_no_more_than_are_kept_stay(
        self, make: Make, store: RunStore, clock: Any, keep: int
    ) -> None:
        for day in (1, 2, 3):
            make(f"run_{day}", day)
        assert history.tidy(store, clock, keep=keep) == []
        assert names(store.root) == {"run_1", "run_2", "run_3"}

    def test_failed_runs_are_finished(self, make: Make, store: RunStore, clock: Any) -> None:
        make("failed", 1, status="failed")
        make("new", 2)
        assert [run.run_id for run in history.tidy(store, clock, keep=1)] == ["failed"]

    @pytest.mark.parametrize("state", ["running", "created", "interrupted"])
    def test_an_unfinished_run_stays_and_does_not_count(
        self, make: Make, store: RunStore, clock: Any, state: str
    ) -> None:
        alive = status.this_process() if state != "interrupted" else {}
        make("unfinished", 1, status=state, process=alive)
        make("old", 2)
        make("new", 3)
        assert [run.run_id for run in history.tidy(store, clock, keep=1)] == ["old"]
        assert "unfinished" in names(store.root)

    def test_one_whose_process_died_stays(self, make: Make, store: RunStore, clock: Any) -> None:
        dead = {**status.this_process(), "started": 1.0, "ticks": 1}
        make("died", 1, status="running", process=dead)
        make("new", 2)
        assert history.tidy(store, clock, keep=0) != []
        assert names(store.root) == {"died", "history", ".history.lock"}

    @pytest.mark.parametrize("how", ["run_id", "checkpoint", "both"])
    @pytest.mark.parametrize("folder", ["", "history"])
    def test_a_starting_point_of_any_run_stays(
        self, make: Make, store: RunStore, clock: Any, how: str, folder: str
    ) -> None:
        base = make("base", 1)
        start = {"checkpoint": str(base / "model_checkpoints" / "best.ckpt"), "run_id": "base"}
        if how != "both":
            start = {how: start[how]}
        make("tuned", 2, started_from=start, folder=folder)
        make("other", 3)
        assert {run.run_id for run in history.tidy(store, clock, keep=0)} <= {"tuned", "other"}
        assert (store.root / "base").is_dir()

    def test_what_latest_points_at_stays(self, make: Make, store: RunStore, clock: Any) -> None:
        make("old", 1)
        make("new", 2)
        (store.root / "latest").symlink_to("old")
        assert [run.run_id for run in history.tidy(store, clock, keep=0)] == ["new"]

    def test_a_spared_run_stays(self, make: Make, store: RunStore, clock: Any) -> None:
        make("old", 1)
        make("new", 2)
        assert [run.run_id for run in history.tidy(store, clock, keep=0, spare={"old"})] == ["new"]

    def test_one_that_can_t_be_read_stays(self, make: Make, store: RunStore, clock: Any) -> None:
        (make("broken", 1) / "run_metadata.json").write_text("{")
        make("new", 2)
        assert [run.run_id for run in history.tidy(store, clock, keep=0)] == ["new"]

    def test_one_that_is_being_written_stays(self, make: Make, store: RunStore, clock: Any) -> None:
        said: list[str] = []
        run = RunPaths(make("resumed", 1))
        with lock.writing(run):
            assert history.tidy(store, clock, keep=0, warn=said.append) == []
        assert said == []
        assert [run.run_id for run in history.tidy(store, clock, keep=0)] == ["resumed"]

    def test_a_run_that_was_resumed_in_the_meantime_stays(
        self, make: Make, store: RunStore, clock: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = make("resumed", 1)
        held = history.held

        def resume_meanwhile(*arguments: Any) -> dict[str, str]:
            document = json.loads((run / "run_metadata.json").read_text())
            found = held(*arguments)
            document |= {"status": "running", "process": status.this_process()}
            (run / "run_metadata.json").write_text(json.dumps(document))
            return found

        monkeypatch.setattr(history, "held", resume_meanwhile)
        glances = history._glances

        def before(runs: Any, now: Any) -> Any:
            found = list(glances(runs, now))
            return [replace(each, status=Status.COMPLETED) for each in found]

        monkeypatch.setattr(history, "_glances", before)
        assert history.tidy(store, clock, keep=0) == []
        assert run.is_dir()

    def test_a_name_that_is_taken_in_history_is_reported(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        make("twice", 1)
        make("twice", 1, folder="history")
        make("once", 2)
        said: list[str] = []
        moved = history.tidy(store, clock, keep=0, warn=said.append)
        assert [run.run_id for run in moved] == ["once"]
        assert (store.root / "twice").is_dir()
        assert "twice stays where it is" in said[0]

    @pytest.mark.parametrize("fault", [PermissionError(13, "Permission denied"), OSError(18, "x")])
    def test_a_run_that_can_t_be_moved_is_reported_and_the_others_move(
        self,
        make: Make,
        store: RunStore,
        clock: Any,
        monkeypatch: pytest.MonkeyPatch,
        fault: OSError,
    ) -> None:
        make("stuck", 1)
        make("free", 2)
        rename = Path.rename

        def refuse(self: Path, target: Path) -> Path:
            if self.name == "stuck":
                raise fault
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", refuse)
        said: list[str] = []
        moved = history.tidy(store, clock, keep=0, warn=said.append)
        assert [run.run_id for run in moved] == ["free"]
        assert said == [f"stuck can't be moved to history/: {fault.strerror}"]

    def test_a_file_called_history_is_reported(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        make("old", 1)
        (store.root / "history").write_text("")
        said: list[str] = []
        assert history.tidy(store, clock, keep=0, warn=said.append) == []
        assert "old can't be moved" in said[0]

    def test_while_another_process_archives_nothing_is_moved(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        make("old", 1)
        with FileLock(store.root / history.LOCK):
            assert history.tidy(store, clock, keep=0) == []
        assert [run.run_id for run in history.tidy(store, clock, keep=0)] == ["old"]

    def test_many_at_once_move_each_run_once(self, make: Make, store: RunStore, clock: Any) -> None:
        for day in range(1, 13):
            make(f"run_{day:02d}", day)
        moved: list[str] = []
        said: list[str] = []
        gate = threading.Barrier(6)

        def tidy() -> None:
            gate.wait()
            found = history.tidy(store, clock, keep=4, warn=said.append)
            moved.extend(run.run_id for run in found)

        threads = [threading.Thread(target=tidy) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(moved) == [f"run_{day:02d}" for day in range(1, 9)]
        assert said == []
        assert names(store.root / "history") == set(moved)

    def test_a_missing_folder_of_runs_is_no_error(self, tmp_path: Path, clock: Any) -> None:
        assert history.tidy(RunStore(tmp_path / "no"), clock, keep=0) == []


class TestReadOnly:
    def test_finished_ones_move_unchanged(self, make: Make, store: RunStore, clock: Any) -> None:
        run = write_legacy_run(store.root, "theirs", training(5), links="elsewhere")
        make("new", 2)
        before = {file.relative_to(run): file.lstat().st_size for file in run.rglob("*")}
        (moved,) = history.tidy(store, clock, keep=1)
        assert moved.run_id == "theirs"
        after = {
            file.relative_to(moved.root): file.lstat().st_size for file in moved.root.rglob("*")
        }
        assert after == before
        assert summary.read(moved, clock).read_only

    def test_those_without_an_end_stay(self, make: Make, store: RunStore, clock: Any) -> None:
        document = metadata("theirs", completed=None)
        write_legacy_run(store.root, "theirs", training(5), document=document)
        assert history.tidy(store, clock, keep=0) == []

    def test_those_whose_links_would_break_stay(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        """Their own tools follow the links, which hold the whole path."""
        write_legacy_run(store.root, "theirs", training(5), links="absolute")
        make("ours", 2)
        assert [run.run_id for run in history.tidy(store, clock, keep=0)] == ["ours"]


class TestHeld:
    def test_each_with_its_reason(self, make: Make, store: RunStore, clock: Any) -> None:
        make("free", 1)
        make("running", 2, status="running", process=status.this_process())
        make("stopped", 3, status="interrupted")
        make("base", 4, folder="history")
        make("tuned", 5, started_from={"run_id": "base"})
        make("newest", 6)
        make("swept", 7)
        make("picked", 8)
        (make("broken", 9) / "run_metadata.json").write_text("{")
        (store.root / "latest").symlink_to("newest")
        begun = ledger.begin(store.root, "pipeline", Path("/m.yaml"), clock)
        begun.add("job", "identity", "swept", store.root)
        begun.write()
        begun.require(["picked", "gone"], [])
        found = history.held(store, clock)
        assert found.pop("broken").startswith("can't be read")
        assert found == {
            "running": "is running",
            "stopped": "was interrupted",
            "base": "is the starting point of tuned",
            "newest": "is what latest points at",
            "swept": "belongs to a pipeline in progress",
            "picked": "belongs to a pipeline in progress",
        }

    def test_starting_points_of_leaving_runs_alone_are_free(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        make("base", 1)
        make("one", 2, started_from={"run_id": "base"})
        make("two", 3, started_from={"run_id": "base"})
        assert history.held(store, clock, leaving=["one", "two"]) == {}
        held = history.held(store, clock, leaving=["one"])
        assert held == {"base": "is the starting point of two"}

    def test_one_that_was_interrupted_may_be_held_by_more_than_that(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        make("stopped", 1, status="interrupted")
        make("base", 2, status="interrupted")
        make("tuned", 3, started_from={"run_id": "base"})
        held = history.held(store, clock, interrupted=False)
        assert held == {"base": "is the starting point of tuned"}

    def test_a_finished_ledger_holds_nothing(self, make: Make, store: RunStore, clock: Any) -> None:
        make("swept")
        begun = ledger.begin(store.root, "batch", Path("/m.yaml"), clock)
        begun.add("job", "identity", "swept", store.root)
        begun.write()
        assert set(history.held(store, clock)) == {"swept"}
        begun.finish(clock)
        assert history.held(store, clock) == {}

    def test_neither_does_one_whose_process_died(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        make("swept")
        begun = ledger.begin(store.root, "batch", Path("/m.yaml"), clock)
        begun.add("job", "identity", "swept", store.root)
        begun.write()
        begun.process = {**begun.process, "started": 1.0, "ticks": 1}
        begun.write()
        assert history.held(store, clock) == {}

    def test_one_of_another_host_holds_for_a_week(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        make("swept")
        begun = ledger.begin(store.root, "batch", Path("/m.yaml"), clock)
        begun.process = {**begun.process, "host": "elsewhere"}
        begun.add("job", "identity", "swept", store.root)
        begun.write()
        moment = clock.now().timestamp()
        os.utime(begun.path, (moment, moment))
        clock.advance(6 * 24 * 3600)
        assert set(history.held(store, clock)) == {"swept"}
        clock.advance(2 * 24 * 3600)
        assert history.held(store, clock) == {}


class TestMove:
    def test_the_new_place_is_returned(self, make: Make, store: RunStore) -> None:
        run = RunPaths(make("old"))
        assert history.move(store, run).root == store.root / "history" / "old"
        assert not run.root.exists()

    def test_a_dangling_link_in_its_place_is_a_name_that_is_taken(
        self, make: Make, store: RunStore
    ) -> None:
        run = RunPaths(make("old"))
        (store.root / "history").mkdir()
        (store.root / "history" / "old").symlink_to("nowhere")
        with pytest.raises(RequestError, match="is there already"):
            history.move(store, run)

    def test_a_lock_that_was_held_while_it_moved_is_released(
        self, make: Make, store: RunStore
    ) -> None:
        run = RunPaths(make("old"))
        with lock.writing(run):
            moved = history.move(store, run)
        assert not run.root.exists()
        with lock.writing(moved):
            pass


def test_runs_can_be_read_while_they_are_moved(make: Make, store: RunStore, clock: Any) -> None:
    """A reader that looks again and again while another moves: all runs, each time."""
    days = range(1, 29)
    for day in days:
        make(f"run_{day:02d}", day)
    stop = threading.Event()
    faults: list[str] = []

    def look() -> None:
        while not stop.is_set():
            good, bad = summary.read_all(store.all(), clock)
            ids = [run.paths.run_id for run in good]
            whole = all(run.rows and run.best() is not None for run in good)
            if bad or len(ids) != len(days) or len(set(ids)) != len(days) or not whole:
                faults.append(f"{bad} {ids}")
            for run_id in ("run_01", "run_28"):
                summary.read(store.find(run_id), clock)

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for keep in reversed(days):
        history.tidy(store, clock, keep=keep - 1)
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert len(names(store.root / "history")) == len(days)
