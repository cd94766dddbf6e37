from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.runs import ledger
from topoqa_train.runs.ledger import Ledger

MANIFEST = Path("/manifests/run_core.yaml")


@pytest.fixture
def begun(tmp_path: Path, clock: Any) -> Ledger:
    return ledger.begin(tmp_path, "pipeline", MANIFEST, clock)


def last(root: Path) -> Ledger | None:
    return ledger.last(root, "pipeline", MANIFEST)


def test_what_is_noted_is_on_the_disk_at_once(begun: Ledger, tmp_path: Path) -> None:
    begun.note("a", "identity-of-a", "a_2026")
    found = last(tmp_path)
    assert found is not None
    assert found == begun
    assert found.run_of("a", "identity-of-a") == "a_2026"


def test_a_job_that_changed_is_another_job(begun: Ledger) -> None:
    begun.note("a", "old", "a_2026")
    assert begun.run_of("a", "new") is None
    assert begun.run_of("b", "old") is None
    begun.note("a", "new", "a_2027")
    assert begun.run_of("a", "new") == "a_2027"


def test_the_end_is_noted(begun: Ledger, clock: Any, tmp_path: Path) -> None:
    assert begun.completed is None
    begun.finish(clock)
    found = last(tmp_path)
    assert found is not None
    assert found.completed == "2026-01-31T12:00:00.000+00:00"


def test_the_last_is_the_newest_of_its_kind_and_manifest(tmp_path: Path, clock: Any) -> None:
    first = ledger.begin(tmp_path, "pipeline", MANIFEST, clock)
    clock.advance(3600)
    newest = ledger.begin(tmp_path, "pipeline", MANIFEST, clock)
    clock.advance(3600)
    ledger.begin(tmp_path, "batch", MANIFEST, clock)
    ledger.begin(tmp_path, "pipeline", Path("/elsewhere/run_core.yaml"), clock)
    assert first.path != newest.path
    found = last(tmp_path)
    assert found is not None
    assert found.path == newest.path


def test_two_of_one_second_are_two_and_the_second_is_the_last(tmp_path: Path, clock: Any) -> None:
    ledgers = [ledger.begin(tmp_path, "pipeline", MANIFEST, clock) for _ in range(11)]
    assert len({each.path for each in ledgers}) == 11
    found = last(tmp_path)
    assert found is not None
    assert found.path == ledgers[-1].path


def test_threads_get_a_ledger_each(tmp_path: Path, clock: Any) -> None:
    made: list[Path] = []
    gate = threading.Barrier(6)

    def begin() -> None:
        gate.wait()
        made.append(ledger.begin(tmp_path, "pipeline", MANIFEST, clock).path)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 6


def test_no_ledger_is_none(tmp_path: Path) -> None:
    assert last(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "{}", '{"jobs": 3}', '{"jobs": {"a": "b"}}', "[" * 100_000],
    ids=range(8),
)
def test_one_that_can_t_be_read_is_passed_over(tmp_path: Path, begun: Ledger, content: str) -> None:
    (begun.path.parent / "pipeline_zzz.json").write_text(content)
    found = last(tmp_path)
    assert found is not None
    assert found.path == begun.path


def test_ledgers_are_no_runs(tmp_path: Path, begun: Ledger) -> None:
    from topoqa_train.runs.store import RunStore

    assert RunStore(tmp_path).all() == []
    assert json.loads(begun.path.read_text())["kind"] == "pipeline"
