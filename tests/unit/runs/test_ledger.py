from __future__ import annotations

import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.errors import MachineError
from topoqa_train.runs import ledger
from topoqa_train.runs.ledger import Ledger, SelectedCheckpoint
from topoqa_train.runs.store import RunStore

MANIFEST = Path("/manifests/run_core.yaml")


@pytest.fixture
def session(tmp_path: Path, clock: Any) -> Ledger:
    return ledger.begin(tmp_path, "pipeline", MANIFEST, clock)


def add(to: Ledger, job: str, identity: str, run_id: str, root: Path | None = None) -> None:
    to.add(job, identity, run_id, root or to.root)
    to.write()


def last(root: Path) -> Any:
    return ledger.last(root, "pipeline", MANIFEST)


def test_an_added_run_is_on_the_disk_and_found_by_its_job(session: Ledger, tmp_path: Path) -> None:
    add(session, "a", "old", "a_2026")
    found = last(tmp_path)
    assert found == session
    assert found.run_of("a") == found.run_of("a", "old") == "a_2026"
    assert found.run_of("a", "new") is found.run_of("b") is found.run_of("b", "old") is None
    add(session, "a", "new", "a_2027")
    assert last(tmp_path).run_of("a", "new") == "a_2027"


def test_a_run_in_another_folder_is_recorded_with_it(
    session: Ledger, tmp_path: Path, clock: Any
) -> None:
    add(session, "a", "id", "a_2026", tmp_path)
    add(session, "b", "id", "b_2026", tmp_path / "elsewhere")
    found = last(tmp_path)
    assert (found.root_of("a"), found.root_of("b")) == (tmp_path, tmp_path / "elsewhere")
    assert found.root_of("c") == tmp_path
    # Moved together, the one is found where it is now.
    assert found.jobs["a"].root is None


def test_one_that_resumes_takes_over_what_the_previous_one_knew(
    session: Ledger, clock: Any, tmp_path: Path
) -> None:
    add(session, "a", "identity-of-a", "a_2026")
    session.selected = SelectedCheckpoint(base="b", checkpoint=Path("/b.ckpt"), run_id="d", epoch=1)
    session.finish(clock)
    clock.advance(60)
    next_one = ledger.begin(tmp_path, "pipeline", MANIFEST, clock, session)
    add(next_one, "c", "identity-of-c", "c_2026")
    found = last(tmp_path)
    assert found == next_one
    assert found.completed is None
    assert (set(found.jobs), found.selected) == ({"a", "c"}, session.selected)
    assert set(session.jobs) == {"a"}


def test_a_manifest_is_the_same_from_wherever_it_is_named(
    tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "manifests").mkdir()
    monkeypatch.chdir(tmp_path)
    made = ledger.begin(tmp_path, "batch", Path("manifests/x.yaml"), clock)
    monkeypatch.chdir(tmp_path / "manifests")
    for name in ("x.yaml", "../manifests/x.yaml", str(tmp_path / "manifests" / "x.yaml")):
        assert ledger.last(tmp_path, "batch", Path(name)) == made


def test_every_ledger_of_a_manifest_newest_first(tmp_path: Path, clock: Any) -> None:
    assert last(tmp_path) is None
    made = []
    for kind in ("pipeline", "batch", "pipeline", "batch"):
        made.append(ledger.begin(tmp_path, kind, MANIFEST, clock).path)
        clock.advance(60)
    ledger.begin(tmp_path, "pipeline", Path("/elsewhere/run_core.yaml"), clock)
    assert [found.path for found in ledger.every(tmp_path, MANIFEST)] == made[::-1]
    batches = ledger.every(tmp_path, MANIFEST, "batch")
    assert [found.path for found in batches] == [made[3], made[1]]
    assert last(tmp_path).path == made[2]
    assert RunStore(tmp_path).all() == []  # ledgers are no runs


def test_the_newest_is_the_newest_though_the_clock_went_back(
    session: Ledger, clock: Any, tmp_path: Path
) -> None:
    clock.advance(-365 * 24 * 3600)
    second = ledger.begin(tmp_path, "pipeline", MANIFEST, clock, session)
    assert second.started < session.started
    assert last(tmp_path) == second
    clock.advance(400 * 24 * 3600)
    third = ledger.begin(tmp_path, "pipeline", MANIFEST, clock)
    assert [each.path for each in ledger.every(tmp_path, MANIFEST)] == [
        third.path,
        second.path,
        session.path,
    ]


def test_required_runs_and_other_folders_are_recorded_once(session: Ledger, tmp_path: Path) -> None:
    session.require(["a", "b", "a"], [tmp_path, tmp_path / "a", tmp_path / "b", tmp_path / "a"])
    session.require(["b"], [])
    found = last(tmp_path)
    assert found.run_folders == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert found.required == ["a", "b"]
    add(session, "job", "identity", "c")
    session.selected = SelectedCheckpoint(base="b", checkpoint=Path("b"), run_id="d", epoch=1)
    assert session.runs() == {"a", "b", "c", "d"}


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_failed_write_is_a_machine_error_and_leaves_the_file_as_it_was(
    session: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    before = session.path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(MachineError) as caught:
            add(session, "a", "id", "a_2026")
        session.leave()  # nothing to be done about it
    assert str(session.path) in caught.value.message
    assert session.path.read_bytes() == before
    assert [entry.name for entry in session.path.parent.iterdir()] == [session.path.name]


class TestUnreadable:
    def substitute(self, root: Path) -> Any:
        return ledger.unreadable(root, "pipeline", MANIFEST)

    def test_cut_anywhere_it_is_substituted(self, session: Ledger, tmp_path: Path) -> None:
        add(session, "a", "id", "a_2026")
        whole = session.path.read_bytes()
        for length in range(len(whole) - 1):  # but for the line's end
            session.path.write_bytes(whole[:length])
            assert last(tmp_path) is None
            found = self.substitute(tmp_path)
            assert (found.path, found.jobs) == (session.path, {})

    def test_the_substitute_knows_what_the_one_before_knew(
        self, session: Ledger, clock: Any, tmp_path: Path
    ) -> None:
        add(session, "a", "id", "a_2026")
        session.finish(clock)
        clock.advance(60)
        second = ledger.begin(tmp_path, "pipeline", MANIFEST, clock, session)
        second.path.write_text("{")
        os.utime(session.path, (0, 0))
        found = self.substitute(tmp_path)
        assert (found.path, found.number, found.completed) == (second.path, 2, None)
        assert found.run_of("a", "id") == "a_2026"

    def test_an_older_one_is_ignored(self, session: Ledger, clock: Any, tmp_path: Path) -> None:
        session.path.write_text("{")
        os.utime(session.path, (0, 0))
        clock.advance(60)
        ledger.begin(tmp_path, "pipeline", MANIFEST, clock)
        assert self.substitute(tmp_path) is None

    def test_one_of_another_manifest_is_ignored(self, session: Ledger, tmp_path: Path) -> None:
        session.path.write_text("{")
        for name in ("pipeline_other_2026.json", "pipeline_run_core_b_2026.json"):
            session.path = session.path.rename(session.path.with_name(name))
            assert self.substitute(tmp_path) is None


def test_of_several_within_a_second_the_newest_is_the_last(tmp_path: Path, clock: Any) -> None:
    ledgers = [ledger.begin(tmp_path, "pipeline", MANIFEST, clock) for _ in range(11)]
    assert len({each.path for each in ledgers}) == 11
    found = last(tmp_path)
    assert found.path == ledgers[-1].path


def test_threads_get_a_ledger_each(tmp_path: Path, clock: Any) -> None:
    gate = threading.Barrier(6)

    def begin(_: int) -> Path:
        gate.wait()
        return ledger.begin(tmp_path, "pipeline", MANIFEST, clock).path

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(begin, range(6)))) == 6


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "{}", '{"jobs": 3}', '{"jobs": {"a": "b"}}', "[" * 100_000, None],
    ids=range(9),
)
def test_an_unreadable_one_is_skipped(tmp_path: Path, session: Ledger, content: Any) -> None:
    path = session.path.with_name("pipeline_zzz.json")
    os.mkfifo(path) if content is None else path.write_text(content)
    assert last(tmp_path) == session


def test_one_is_in_progress_until_it_is_left_or_finished_or_its_process_died(
    session: Ledger, tmp_path: Path, clock: Any
) -> None:
    alive = session.process
    assert ledger.in_progress(tmp_path, clock) == [session]
    session.process = {**alive, "started": 1.0, "ticks": 1}
    session.write()
    assert ledger.in_progress(tmp_path, clock) == []
    session.leave()
    assert ledger.in_progress(tmp_path, clock) == []
    assert last(tmp_path).completed is None
    session.process = alive
    session.finish(clock)
    assert ledger.in_progress(tmp_path, clock) == []
    assert last(tmp_path).completed == "2026-01-31T12:00:00.000+00:00"


@pytest.mark.parametrize(
    "changes",
    [
        {"process": {}},
        {"process": "x"},
        {"process": {"pid": "x"}},
        {"required": 7},
        {"process": None},
    ],
)
def test_one_that_names_no_process_is_not_in_progress(
    session: Ledger, tmp_path: Path, clock: Any, changes: dict[str, Any]
) -> None:
    document = json.loads(session.path.read_text()) | {"process": {}} | changes
    session.path.write_text(json.dumps(document))
    assert ledger.in_progress(tmp_path, clock) == []


@pytest.mark.parametrize("key", ["root", "run_id"])
def test_names_with_a_null_byte_make_it_unreadable(
    session: Ledger, tmp_path: Path, key: str
) -> None:
    add(session, "a", "id", "a_2026", tmp_path / "elsewhere")
    document = json.loads(session.path.read_text())
    document["jobs"]["a"][key] = "/x\0y"
    session.path.write_text(json.dumps(document))
    assert last(tmp_path) is None


def test_one_with_the_keys_of_earlier_versions_is_read(session: Ledger, tmp_path: Path) -> None:
    document = json.loads(session.path.read_text())
    pick = {"base": "b", "checkpoint": "/b.ckpt", "run_id": "p", "epoch": None}
    for old, new in (("pick", "selected"), ("pinned", "required"), ("roots", "run_folders")):
        del document[new]
        document[old] = pick if old == "pick" else ["x"]
    document["jobs"] = {"a": {"identity": "id", "run_id": "a_1"}}
    session.path.write_text(json.dumps(document))
    found = last(tmp_path)
    assert (found.required, found.run_folders) == (["x"], ["x"])
    assert found.selected == SelectedCheckpoint.model_validate(pick)
    assert found.run_of("a", "id") == "a_1"
