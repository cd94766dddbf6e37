from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from topoqa_train.config.load import load_config
from topoqa_train.config.overrides import parse_override
from topoqa_train.config.recipes import find_recipe
from topoqa_train.config.run_options import RunOptions
from topoqa_train.datasets import DataSetPaths
from topoqa_train.launch import job as jobs
from topoqa_train.launch.job import Check, DataFiles, Job

MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(tmp_path: Path) -> MakeJob:
    def _job(*overrides: str, **fields: Any) -> Job:
        parsed = [parse_override(text, base=tmp_path) for text in overrides]
        loaded = load_config(find_recipe("configs", "sched_boost_seed222"), parsed)
        needed: dict[str, Any] = {
            "name": "a",
            "output_root": tmp_path,
            "config": loaded.config,
            "config_yaml": "# comments\na:\n  b: 'ß'\n",
            "original_yaml": loaded.source_bytes.decode(),
            "source_config": str(loaded.source),
            "overrides": loaded.applied_overrides(),
            "data": DataFiles(
                graph=tmp_path / "g", train_labels=tmp_path / "t", val_labels=tmp_path / "v"
            ),
        }
        return Job(**{**needed, **fields})

    return _job


def there_and_back(job: Job) -> Job:
    line = jobs.to_line(job)
    assert "\n" not in line
    back = jobs.from_line(line.encode() + b"\n")
    assert isinstance(back, Job)
    return back


def test_a_job_crosses_a_process_as_one_line(make_job: MakeJob) -> None:
    job = make_job()
    assert there_and_back(job) == job
    assert "\n" in job.config_yaml


@pytest.mark.parametrize(
    "override",
    [
        "optimizer.learning_rate=0.1",
        "optimizer.learning_rate=5e-324",
        "trainer.devices=[0, 2]",
        "trainer.devices=auto",
        "trainer.devices=-1",
        "trainer.precision=bf16-mixed",
        "trainer.precision=16",
        "coverage.minimum_percent=1",
        "coverage.minimum_percent=0.95",
        "selection.primary_metric=val_loss",
        "mlflow.tags={a: 1, b: 1.0, c: true, d: x}",
        "model.options={depth: 3, width: 2.0, names: [a, null], nested: {on: false}}",
        "paths.graph=relative/path",
        "paths.save_dir=runs",
    ],
)
def test_every_kind_of_value_comes_back_with_its_type(make_job: MakeJob, override: str) -> None:
    job = make_job(override)
    back = there_and_back(job)
    assert back.config == job.config
    # Equal is not enough: 1, 1.0 and true are equal to Python.
    assert repr(back.config) == repr(job.config)
    assert repr(back.overrides) == repr(job.overrides)


@pytest.mark.parametrize("limit", [None, 1, 12, 1.0, 0.5])
def test_all_batches_and_one_batch_stay_apart(make_job: MakeJob, limit: int | float | None) -> None:
    back = there_and_back(make_job(options=RunOptions(limit_train_batches=limit)))
    assert repr(back.options.limit_train_batches) == repr(limit)


def test_all_else_comes_back_too(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(
        run_name="mine",
        stamped=False,
        resume_run=tmp_path / "r",
        started_from={"checkpoint": "w.ckpt", "epoch": 3},
        options=RunOptions(
            weights_from=tmp_path / "w.ckpt",
            notes="zwei\nZeilen \u2028 'quoted' \"twice\"",
            trial_label="ü",
            fast_dev_run=True,
            log_lr=True,
            trainer_args={"gradient_clip_val": 0.5, "callbacks": None},
        ),
        command=["topoqa-train", "run"],
    )
    assert repr(there_and_back(job)) == repr(job)


def test_the_source_comes_back_byte_for_byte(make_job: MakeJob) -> None:
    text = "\ufeffa: 1\r\n# Grüße\r\n\tx\x85\u2029"
    assert there_and_back(make_job(original_yaml=text)).original_yaml == text


def test_a_check_and_a_job_are_distinguished(make_job: MakeJob) -> None:
    job = make_job()
    check = Check(name="data of a", config=job.config, data=job.data)
    back = jobs.from_line(jobs.to_line(check))
    assert isinstance(back, Check)
    assert back == check


@pytest.mark.parametrize("line", ["", "{}", '{"task": "dance"}', '{"task": "run", "name": "a"}'])
def test_a_line_that_is_no_task_is_refused(line: str) -> None:
    with pytest.raises(ValidationError):
        jobs.from_line(line)


class TestDataFiles:
    def test_of_what_a_data_set_gave(self, tmp_path: Path) -> None:
        given = DataSetPaths(
            graph=tmp_path / "g",
            train_labels=tmp_path / "t.csv",
            val_labels=tmp_path / "v.csv",
            test_labels=None,
            metadata=None,
            summary=tmp_path / "s.json",
            name="tiny",
            version="3",
        )
        files = DataFiles.of(given)
        assert json.loads(files.model_dump_json())["version"] == "3"
        assert files.summary == tmp_path / "s.json"
        assert files.labels() == {"train": tmp_path / "t.csv", "val": tmp_path / "v.csv"}

    def test_the_order_of_splits(self, tmp_path: Path) -> None:
        files = DataFiles(
            test_labels=tmp_path / "3",
            val_labels=tmp_path / "2",
            train_labels=tmp_path / "1",
            graph=tmp_path,
        )
        assert list(files.labels()) == ["train", "val", "test"]

    @pytest.mark.parametrize(
        ("graph", "version", "shown"),
        [
            ("here/data/graphs", "", "data/graphs/"),
            ("graphs", "", "~/graphs/"),
            ("/elsewhere/graphs", "", "/elsewhere/graphs/"),
            ("here/data/graphs", "3", "tiny"),
        ],
    )
    def test_a_screen_shows_a_short_title(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graph: str, version: str, shown: str
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        labels = tmp_path / "l.csv"
        files = DataFiles(graph=tmp_path / graph, train_labels=labels, val_labels=labels,
                          name="tiny", version=version)  # fmt: skip
        assert files.short_title == shown
