from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import MachineError, RequestError
from topoqa_train.maintenance import deletion
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import RunStore


@pytest.fixture
def store(run_files: Any) -> RunStore:
    return RunStore(run_files.root)


def ids(store: RunStore) -> list[str]:
    return [run.run_id for run in store.all()]


@pytest.mark.parametrize("folder", ["", "history"])
def test_a_run_is_gone_and_the_others_are_not(store: RunStore, run_files: Any, folder: str) -> None:
    run_files("other")
    run = run_files("doomed", folder=folder)
    deletion.remove(store, RunPaths(run))
    assert not run.exists()
    assert ids(store) == ["other"]
    assert deletion.leftovers(store) == []
    assert list(run.parent.glob(".*")) == []


def test_links_are_not_followed(store: RunStore, run_files: Any, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data.pt").write_text("keep")
    run = run_files("doomed")
    (run / "data").symlink_to(precious)
    (run / "model_checkpoints" / "file").symlink_to(precious / "data.pt")
    deletion.remove(store, RunPaths(run))
    assert (precious / "data.pt").read_text() == "keep"
    assert not run.exists()


def test_only_runs_right_under_the_root_or_its_history(
    store: RunStore, run_files: Any, tmp_path: Path
) -> None:
    run = run_files("real")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "run_metadata.json").write_text("{}")
    link = store.root / "link"
    link.symlink_to(outside)
    deeper = store.root / "group" / "run"
    deeper.mkdir(parents=True)
    for wrong in (outside, link, deeper, store.root, run / "metrics", store.root / "none"):
        with pytest.raises(RequestError, match="is no run under"):
            deletion.remove(store, RunPaths(wrong))
    assert (outside / "run_metadata.json").exists()
    assert run.exists()
    assert deeper.exists()


def test_a_deletion_that_is_cut_off_leaves_no_half_run(
    store: RunStore, run_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_files("doomed")

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path / "metrics"))

    monkeypatch.setattr(deletion.shutil, "rmtree", refuse)
    with pytest.raises(MachineError, match="metrics can't be deleted: Permission denied"):
        deletion.remove(store, RunPaths(run))
    assert not run.exists()
    assert ids(store) == []
    (left,) = deletion.leftovers(store)
    assert left.parent == store.root
    assert (left / "run_metadata.json").exists()
    # The name is free again.
    run_files("doomed")
    assert ids(store) == ["doomed"]
    monkeypatch.undo()
    deletion.remove_leftover(left)
    assert deletion.leftovers(store) == []
    assert ids(store) == ["doomed"]


def test_a_rename_that_is_refused_leaves_the_run(
    store: RunStore, run_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_files("doomed")

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(MachineError, match="doomed can't be deleted: Permission denied"):
        deletion.remove(store, RunPaths(run))
    assert (run / "run_metadata.json").exists()


def test_size_counts_files_once_and_links_as_themselves(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "one").write_bytes(b"x" * 1000)
    (folder / "a" / "b" / "two").write_bytes(b"x" * 234)
    big = tmp_path / "big"
    big.write_bytes(b"x" * 10**6)
    (folder / "link").symlink_to(big)
    (folder / "loop").symlink_to(folder)
    links = sum((folder / name).lstat().st_size for name in ("link", "loop"))
    assert deletion.size_of(folder) == 1234 + links
    assert deletion.size_of(tmp_path / "none") == 0
