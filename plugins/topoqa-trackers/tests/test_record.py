from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_trackers.record import Record, read_record

RECORD = Record(
    tracking_uri="./mlruns",
    folder="/home/me",
    store="sqlite:////home/me/mlruns/mlflow.db",
    experiment="e",
    run_id="abc",
    epochs=7,
    problem="none to speak of",
    pid=12,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    RECORD.write(tmp_path / "mlflow.json")
    assert read_record(tmp_path / "mlflow.json") == RECORD


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"run_id": 1}', "[" * 100_000])
def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "mlflow.json"
    if content is not None:
        path.write_text(content)
    assert read_record(path) == Record()


def test_a_key_of_a_later_version_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.json"
    path.write_text(RECORD.model_dump_json().replace("{", '{"later": 1, ', 1))
    assert read_record(path) == RECORD
