from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.runs import creation
from topoqa_train.runs.paths import RunPaths


def names(root: Path) -> set[str]:
    return {entry.name for entry in root.iterdir()}


def test_a_run_is_made_out_of_sight_and_takes_its_name_whole(tmp_path: Path, clock: Any) -> None:
    with creation.place(tmp_path, clock) as place:
        assert names(place.root) == {"config", "metrics", "model_checkpoints"}
        assert names(tmp_path) == {creation.FOLDER}
        place.metadata.write_text("{}")
        assert creation.name(place, tmp_path / "r")
    assert names(tmp_path) == {"r"}
    assert RunPaths(tmp_path / "r").metadata.read_text() == "{}"


def test_one_that_gets_no_name_is_gone(tmp_path: Path, clock: Any) -> None:
    with creation.place(tmp_path, clock) as place:
        place.metadata.write_text("{}")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("taken", ["run", "empty folder", "file", "link to nothing"])
def test_a_name_that_is_taken_stays_with_who_has_it(tmp_path: Path, clock: Any, taken: str) -> None:
    new = tmp_path / "r"
    if taken == "file":
        new.write_text("mine")
    elif taken == "link to nothing":
        new.symlink_to("nothing")
    else:
        new.mkdir()
    if taken == "run":
        (new / "run_metadata.json").write_text("{}")
    with creation.place(tmp_path, clock) as place:
        assert not creation.name(place, new)
        assert creation.name(place, tmp_path / "r_2")
    assert names(tmp_path) == {"r", "r_2"}


@pytest.mark.parametrize("number", [errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR])
def test_who_is_first_in_the_last_moment_has_it(
    tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def late(self: Path, target: Path) -> Path:
        raise OSError(number, os.strerror(number), str(self))

    with creation.place(tmp_path, clock) as place:
        monkeypatch.setattr(Path, "rename", late)
        assert not creation.name(place, tmp_path / "r")


def test_what_the_disk_refuses_is_no_taken_name(
    tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))

    with creation.place(tmp_path, clock) as place:
        monkeypatch.setattr(Path, "rename", refuse)
        with pytest.raises(OSError, match="Input/output error"):
            creation.name(place, tmp_path / "r")


def test_what_a_killed_one_left_goes_after_a_while(tmp_path: Path, clock: Any) -> None:
    young, old = tmp_path / creation.FOLDER / "1_a", tmp_path / creation.FOLDER / "2_b"
    for folder, age in ((young, 60), (old, 7200)):
        (folder / "config").mkdir(parents=True)
        os.utime(folder, (clock.now().timestamp() - age,) * 2)
    with creation.place(tmp_path, clock) as place:
        assert creation.name(place, tmp_path / "r")
    assert (young.exists(), old.exists()) == (True, False)


def test_others_may_put_the_empty_folder_away_meanwhile(
    tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, away = os.mkdir, [0]

    def racing(path: Any, mode: int = 0o777) -> None:
        if Path(path).parent.name == creation.FOLDER and Path(path).parent.is_dir() and away[0] < 3:
            away[0] += 1
            Path(path).parent.rmdir()
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", racing)
    with creation.place(tmp_path, clock) as place:
        assert creation.name(place, tmp_path / "r")
    assert away == [3]
