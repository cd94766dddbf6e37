from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train.tracking import record
from topoqa_train.tracking.record import TrackingRecord

RECORD = TrackingRecord(
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
    assert record.read(tmp_path / "mlflow.json") == RECORD


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"tracking_uri": 1}', "[" * 100_000])
def test_a_record_that_is_none_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mlflow.json"
    assert record.read(path) is None
    path.write_text(content)
    assert record.read(path) is None


def test_a_key_of_a_later_version_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.json"
    path.write_text(RECORD.model_dump_json().replace("{", '{"later": 1, ', 1))
    assert record.read(path) == RECORD
