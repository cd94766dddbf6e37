from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from topoqa_train.config.models import PathsConfig, TrainingConfig
from topoqa_train.errors import DataError
from topoqa_train.launch.job import DataFiles, Job
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.worker import run_record


@pytest.fixture
def job(tmp_path: Path) -> Job:
    files = DataFiles(
        graph=tmp_path / "graphs", train_labels=tmp_path / "t.csv", val_labels=tmp_path / "v.csv"
    )
    config = TrainingConfig(paths=PathsConfig(dataset="none"))
    return Job(
        name="one",
        output_root=tmp_path,
        config=config,
        data=files,
        config_yaml="",
        original_yaml="",
        source_config="",
    )


def loaded(labels: str = "l") -> Any:
    fingerprint = SimpleNamespace(whole=f"{labels}g", labels=labels, graphs="g")
    return SimpleNamespace(fingerprint=fingerprint, counts=lambda: {"train": 6}, left_out={})


def recorded(data: dict[str, Any]) -> RunMetadata:
    return RunMetadata(run_name="mine", created="", data=data)


def test_a_run_to_resume_needs_the_data_that_it_was_trained_on(job: Job, tmp_path: Path) -> None:
    document = recorded(run_record.data_document(job.data, loaded(), 1.0))
    run_record.check_same_data(document, job, loaded())
    moved = job.data.model_copy(update={"train_labels": tmp_path / "other.csv"})
    changed = job.model_copy(update={"data": moved})
    with pytest.raises(DataError, match="mine was trained on data that differ") as caught:
        run_record.check_same_data(document, changed, loaded("m"))
    labels, path = caught.value.details
    assert labels == "hash of the labels: l then, m now"
    assert path.startswith("paths.train_labels: ")
    # The same content elsewhere is the same data.
    run_record.check_same_data(document, changed, loaded())


def test_a_run_that_has_not_read_data_yet_can_be_resumed(job: Job) -> None:
    run_record.check_same_data(recorded({}), job, loaded())


@pytest.mark.parametrize(
    ("runtime", "progress", "seconds"),
    [
        ({}, {}, 0.0),
        ({"seconds": 12.5}, {"training_seconds": 10.0}, 12.5),  # completed, then resumed
        ({}, {"training_seconds": 10}, 10.0),  # killed
        ({"seconds": 12.5}, {"training_seconds": 40.0}, 40.0),  # resumed, then killed
    ],
)
def test_the_time_of_earlier_sessions_counts(
    runtime: dict[str, Any], progress: dict[str, Any], seconds: float
) -> None:
    document = RunMetadata(run_name="r", created="", runtime=runtime, progress=progress)
    assert run_record.seconds_before(document) == seconds
