from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from legacy_runs import metadata, training, write_legacy_run

from topoqa_train.errors import RequestError
from topoqa_train.runs import history, ledger, lock, status, summary
from topoqa_train.runs.paths import RunPaths
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


@dataclass
class Tidy:
    """Moves the runs beyond the newest `keep` and returns the names of those that moved."""

    store: RunStore
    clock: Any
    warnings: list[str] = field(default_factory=list)

    def __call__(self, keep: int = 0, **options: Any) -> list[str]:
        options["warn"] = self.warnings.append
        return [run.run_id for run in history.tidy(self.store, self.clock, keep=keep, **options)]


@pytest.fixture
def tidy(store: RunStore, clock: Any) -> Tidy:
    return Tidy(store, clock)


class TestTidy:
    def test_finished_runs_beyond_the_newest_move(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        # By when they were created, neither by name nor by when they were last touched.
        for name, day in (("e", 1), ("a", 5), ("c", 2), ("b", 4), ("d", 3)):
            make(name, day, status="failed" if name == "c" else "completed")
        moved = history.tidy(store, clock, keep=2)
        assert {run.run_id for run in moved} == {"c", "d", "e"}
        assert all(run.root == store.root / "history" / run.run_id for run in moved)
        assert {run.run_id for run in store.here()} == {"a", "b"}
        assert [run.run_id for run in store.all()] == ["a", "b", "c", "d", "e"]
        for keep in (2, 20):
            assert history.tidy(store, clock, keep=keep) == []
        assert history.tidy(RunStore(store.root / "no"), clock, keep=0) == []

    def test_a_moved_run_reads_as_before(self, make: Make, store: RunStore, clock: Any) -> None:
        before = summary.read(RunPaths(make("old")), clock)
        (after,) = history.tidy(store, clock, keep=0)
        found = summary.read(after, clock)
        assert found.rows == before.rows
        assert found.best().path.read_text() == f"weights of epoch {before.best().epoch}"
        assert summary.read(before.paths, clock).paths == after

    @pytest.mark.parametrize(
        ("state", "process"),
        [
            ("running", {}),
            ("created", {}),
            ("interrupted", {}),
            ("running", {"started": 1.0, "ticks": 1}),  # its process died
        ],
    )
    def test_an_unfinished_run_stays_and_does_not_count(
        self, make: Make, store: RunStore, tidy: Tidy, state: str, process: dict[str, Any]
    ) -> None:
        make("unfinished", 1, status=state, process={**status.this_process(), **process})
        make("old", 2)
        make("new", 3)
        assert tidy(1) == ["old"]
        assert names(store.root) == {"unfinished", "new", "history", ".history.lock"}

    def test_spared_and_held_runs_stay(self, make: Make, store: RunStore, tidy: Tidy) -> None:
        """`TestHeld` has all reasons to hold a run."""
        for day, name in enumerate(("spared", "latest_one", "broken", "new"), start=1):
            make(name, day)
        (store.root / "broken" / "run_metadata.json").write_text("{")
        (store.root / "latest").symlink_to("latest_one")
        assert tidy(spare={"spared"}) == ["new"]

    def test_one_that_is_being_written_stays(self, make: Make, tidy: Tidy) -> None:
        run = RunPaths(make("resumed", 1))
        with lock.writing(run):
            assert tidy() == []
        assert tidy.warnings == []
        assert tidy() == ["resumed"]

    def test_a_run_that_was_resumed_in_the_meantime_stays(
        self, make: Make, tidy: Tidy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = make("resumed", 1) / "run_metadata.json"
        running = {"status": "running", "process": status.this_process()}
        beyond = history._beyond

        def resume_meanwhile(*arguments: Any) -> Any:
            found = beyond(*arguments)
            file.write_text(json.dumps(json.loads(file.read_text()) | running))
            return found

        monkeypatch.setattr(history, "_beyond", resume_meanwhile)
        assert tidy() == []
        assert file.exists()

    @pytest.mark.parametrize("taken", ["run", "dangling link"])
    def test_a_name_that_is_taken_in_history_is_reported(
        self, make: Make, store: RunStore, tidy: Tidy, taken: str
    ) -> None:
        make("twice", 1)
        make("once", 2)
        make("other", 3, folder="history")
        if taken == "run":
            make("twice", 1, folder="history")
        else:
            (store.root / "history" / "twice").symlink_to("nowhere")
        assert tidy() == ["once"]
        assert (store.root / "twice").is_dir()
        assert "twice stays where it is" in tidy.warnings[0]

    @pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(18, "x")])
    def test_a_run_that_can_t_be_moved_is_reported_and_the_others_move(
        self, make: Make, tidy: Tidy, monkeypatch: pytest.MonkeyPatch, error: OSError
    ) -> None:
        make("stuck", 1)
        make("free", 2)
        rename = Path.rename

        def refuse(self: Path, target: Path) -> Path:
            if self.name == "stuck":
                raise error
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", refuse)
        assert tidy() == ["free"]
        assert tidy.warnings == [f"stuck can't be moved to history/: {error.strerror}"]

    def test_while_another_process_archives_nothing_is_moved(
        self, make: Make, store: RunStore, tidy: Tidy
    ) -> None:
        make("old", 1)
        with FileLock(store.root / history.LOCK):
            assert tidy() == []
        assert tidy() == ["old"]

    def test_many_at_once_move_each_run_once(self, make: Make, store: RunStore, clock: Any) -> None:
        for day in range(1, 13):
            make(f"run_{day:02d}", day)
        warnings: list[str] = []
        gate = threading.Barrier(6)

        def tidy(_: int) -> list[str]:
            gate.wait()
            found = history.tidy(store, clock, keep=4, warn=warnings.append)
            return [run.run_id for run in found]

        with ThreadPoolExecutor(6) as pool:
            moved = [run_id for found in pool.map(tidy, range(6)) for run_id in found]
        assert sorted(moved) == [f"run_{day:02d}" for day in range(1, 9)]
        assert warnings == []
        assert names(store.root / "history") == set(moved)


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

    def test_those_without_an_end_stay(self, make: Make, store: RunStore, tidy: Tidy) -> None:
        document = metadata("theirs", completed=None)
        write_legacy_run(store.root, "theirs", training(5), document=document)
        assert tidy() == []

    def test_those_whose_links_would_break_stay(
        self, make: Make, store: RunStore, tidy: Tidy
    ) -> None:
        """Their own tools follow the links, which hold the whole path."""
        write_legacy_run(store.root, "theirs", training(5), links="absolute")
        make("ours", 2)
        assert tidy() == ["ours"]


class TestHeld:
    def test_each_with_its_reason(self, make: Make, store: RunStore, clock: Any) -> None:
        make("free", 1)
        make("running", 2, status="running", process=status.this_process())
        make("stopped", 3, status="interrupted")
        make("base", 4, folder="history")
        make("tuned", 5, started_from={"run_id": "base"})
        make("newest", 6)
        make("created", 7)
        make("needed", 8)
        (make("broken", 9) / "run_metadata.json").write_text("{")
        (store.root / "latest").symlink_to("newest")
        session = ledger.begin(store.root, "pipeline", Path("/m.yaml"), clock)
        session.add("job", "identity", "created", store.root)
        session.write()
        session.require(["needed", "gone"], [])
        found = history.held(store, clock)
        assert found.pop("broken").startswith("can't be read")
        assert found == {
            "running": "is running",
            "stopped": "was interrupted",
            "base": "is the starting point of tuned",
            "newest": "is what latest points at",
            "created": "belongs to a pipeline in progress",
            "needed": "belongs to a pipeline in progress",
        }

    @pytest.mark.parametrize("how", ["run_id", "checkpoint"])
    def test_starting_points_of_leaving_runs_alone_are_free(
        self, make: Make, store: RunStore, clock: Any, how: str
    ) -> None:
        checkpoint = make("base", 1) / "model_checkpoints" / "best.ckpt"
        start = {"run_id": "base", "checkpoint": str(checkpoint)}
        make("one", 2, started_from={how: start[how]})
        make("two", 3, started_from={how: start[how]}, folder="history")
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

    @pytest.mark.parametrize("how", ["finished", "died"])
    def test_a_ledger_that_is_over_holds_nothing(
        self, make: Make, store: RunStore, clock: Any, how: str
    ) -> None:
        make("created")
        session = ledger.begin(store.root, "batch", Path("/m.yaml"), clock)
        session.add("job", "identity", "created", store.root)
        session.write()
        assert set(history.held(store, clock)) == {"created"}
        if how == "finished":
            session.finish(clock)
        else:
            session.process = {**session.process, "started": 1.0, "ticks": 1}
            session.write()
        assert history.held(store, clock) == {}

    def test_one_of_another_host_holds_for_a_week(
        self, make: Make, store: RunStore, clock: Any
    ) -> None:
        make("created")
        session = ledger.begin(store.root, "batch", Path("/m.yaml"), clock)
        session.process = {**session.process, "host": "elsewhere"}
        session.add("job", "identity", "created", store.root)
        session.write()
        moment = clock.now().timestamp()
        os.utime(session.path, (moment, moment))
        clock.advance(6 * 24 * 3600)
        assert set(history.held(store, clock)) == {"created"}
        clock.advance(2 * 24 * 3600)
        assert history.held(store, clock) == {}


def test_a_lock_that_was_held_while_a_run_moved_is_released(make: Make, store: RunStore) -> None:
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
    errors: list[str] = []

    def look() -> None:
        while not stop.is_set():
            good, bad = summary.read_all(store.all(), clock)
            ids = [run.paths.run_id for run in good]
            whole = all(run.rows and run.best() is not None for run in good)
            if bad or len(ids) != len(days) or len(set(ids)) != len(days) or not whole:
                errors.append(f"{bad} {ids}")
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
    assert errors == []
    assert len(names(store.root / "history")) == len(days)
