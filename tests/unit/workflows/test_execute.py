from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from topoqa_train.config.load import load_config
from topoqa_train.config.plan import JobPlan
from topoqa_train.errors import RequestError
from topoqa_train.launch.job import Job
from topoqa_train.runs.events import Event
from topoqa_train.runs.store import RunStore
from topoqa_train.training.stopping import StopRequest
from topoqa_train.workflows import execute, provenance
from topoqa_train.workflows.data import DataResolver
from topoqa_train.workflows.execute import Executor
from topoqa_train.workflows.jobs import make_job


@pytest.fixture
def job(project: Any, resolver: DataResolver) -> Job:
    plan = JobPlan(name="one", config=load_config(project.root / "configs" / "one.yaml"))
    return make_job(plan, resolver, output_root=project.root / "runs")


@pytest.mark.parametrize(
    ("fault", "exit_status", "said"),
    [
        (PermissionError(13, "Permission denied", "/elsewhere"), 2, "/elsewhere"),
        (OSError(28, "No space left on device", "/elsewhere"), 1, "no room left"),
        (RuntimeError("odd"), 1, "RuntimeError: odd"),
        (RequestError("told"), 2, "told"),
    ],
)
def test_whatever_goes_wrong_before_the_run_is_told_and_the_process_lives(
    job: Job, monkeypatch: pytest.MonkeyPatch, fault: Exception, exit_status: int, said: str
) -> None:
    def fail(self: RunStore, *arguments: Any, **options: Any) -> None:
        raise fault

    monkeypatch.setattr(RunStore, "create", fail)
    heard: list[Event] = []
    ended = Executor(heard.append, StopRequest()).do(job)
    assert heard == [ended]
    assert (ended.status, ended.run_dir) == ("failed", None)
    assert ended.error is not None
    assert ended.error["exit_status"] == exit_status
    assert said in ended.error["message"]
    assert "error.txt" not in (ended.error["hint"] or "")  # there is no run to hold one


def test_the_runs_of_a_process_say_what_reading_once_took(
    job: Job, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = SimpleNamespace(stamp=(), current_stamp=tuple, counts=dict, fingerprint="f", left_out={})

    def slow(*arguments: Any, **options: Any) -> Any:
        clock.advance(7)
        return data

    monkeypatch.setattr(execute, "load_data", slow)
    executor = Executor(lambda event: None, StopRequest(), clock)
    for _ in range(2):
        read = executor._load(job, None)
        document = provenance.data_document(job.data, read, executor._read_seconds)
        assert document["read_seconds"] == 7.0
    assert clock.monotonic() == 1007.0
