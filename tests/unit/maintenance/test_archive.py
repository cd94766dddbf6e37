from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from legacy_runs import training, write_legacy_run

from topoqa_train.errors import RequestError
from topoqa_train.maintenance import archive
from topoqa_train.runs import history
from topoqa_train.runs.store import RunStore


@pytest.fixture
def store(run_files: Any) -> RunStore:
    return RunStore(run_files.root)


def here(store: RunStore) -> list[str]:
    return [run.run_id for run in store.here()]


def test_named_runs_go_to_history_and_back(store: RunStore, run_files: Any, clock: Any) -> None:
    for name in "abc":
        run_files(name)
    moved = archive.archive(store, ["a", "c", "a"], clock)
    assert [run.root for run in moved] == [store.root / "history" / name for name in "ac"]
    assert here(store) == ["b"]
    assert len(store.all()) == 3
    back = archive.restore(store, ["c"])
    assert [run.root for run in back] == [store.root / "c"]
    assert here(store) == ["b", "c"]


def test_all_of_them_or_none(store: RunStore, run_files: Any, clock: Any) -> None:
    run_files("free")
    run_files("newest")
    run_files("stopped", status="interrupted")
    run_files("old", folder="history")
    (store.root / "latest").symlink_to("newest")
    with pytest.raises(RequestError, match="nothing was moved") as caught:
        archive.archive(store, ["free", "newest", "stopped", "old"], clock)
    assert caught.value.details == (
        "newest is what latest points at",
        "stopped was interrupted",
        "old is in history/ already",
    )
    assert here(store) == ["free", "newest", "stopped"]


def test_only_what_is_in_history_comes_back(store: RunStore, run_files: Any, clock: Any) -> None:
    run_files("a")
    run_files("old", folder="history")
    with pytest.raises(RequestError) as caught:
        archive.restore(store, ["old", "a"])
    assert caught.value.details == ("a is not in history/",)
    assert here(store) == ["a"]


def test_a_run_whose_absolute_links_would_break(store: RunStore, clock: Any) -> None:
    write_legacy_run(store.root, "tied", training(5), links="absolute")
    write_legacy_run(store.root, "free", training(5), links="elsewhere")
    with pytest.raises(RequestError) as caught:
        archive.archive(store, ["tied", "free"], clock)
    assert caught.value.details == ("tied has absolute links that a move would break",)
    assert [run.run_id for run in archive.archive(store, ["free"], clock)] == ["free"]


def test_without_names_all_but_the_newest(
    store: RunStore, run_files: Any, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(1, 5):
        run_files(f"day{day}", created=f"2026-01-0{day}T12:00:00.000+00:00")
    monkeypatch.setenv(history.KEEP_VARIABLE, "3")
    assert [run.run_id for run in archive.archive_old(store, None, clock)] == ["day1"]
    assert sorted(run.run_id for run in archive.archive_old(store, 1, clock)) == ["day2", "day3"]
    assert archive.archive_old(store, 1, clock) == []
    assert here(store) == ["day4"]


def test_a_name_that_is_taken_is_refused(store: RunStore, run_files: Any, clock: Any) -> None:
    run_files("a", folder="history")
    (store.root / "a").mkdir()
    with pytest.raises(RequestError, match="is there already"):
        archive.restore(store, ["a"])
    assert (Path(store.root) / "history" / "a").is_dir()
