from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from topoqa_train.config.job_plan import JobPlan
from topoqa_train.config.load import load_config
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import InterruptedRunError, RequestError
from topoqa_train.launch.job import Job
from topoqa_train.runs.events import Event
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import RunStore
from topoqa_train.stopping import StopRequest
from topoqa_train.worker import executor, run_record
from topoqa_train.worker.executor import Executor
from topoqa_train.workflows.data_resolver import DataResolver
from topoqa_train.workflows.job_factory import make_job


@pytest.fixture
def job(project: Any, resolver: DataResolver) -> Job:
    plan = JobPlan(name="one", config=load_config(project.root / "configs" / "one.yaml"))
    return make_job(plan, resolver, output_root=project.root / "runs")


@pytest.mark.parametrize(
    ("error", "exit_status", "message"),
    [
        (PermissionError(13, "Permission denied", "/elsewhere"), 2, "/elsewhere"),
        (OSError(28, "No space left on device", "/elsewhere"), 1, "no space left"),
        (RuntimeError("other"), 1, "RuntimeError: other"),
        (RequestError("refused"), 2, "refused"),
    ],
)
def test_an_error_before_the_run_is_reported_and_the_process_lives(
    job: Job, monkeypatch: pytest.MonkeyPatch, error: Exception, exit_status: int, message: str
) -> None:
    def fail(self: RunStore, *arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(RunStore, "create", fail)
    heard: list[Event] = []
    ended = Executor(heard.append, StopRequest()).do(job)
    assert heard == [ended]
    assert (ended.status, ended.run_dir) == ("failed", None)
    assert ended.error is not None
    assert ended.error["exit_status"] == exit_status
    assert message in ended.error["message"]
    assert "error.txt" not in (ended.error["hint"] or "")  # there is no run to hold one


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "/elsewhere"), "/elsewhere: Permission denied"),
        (OSError(30, "Read-only file system", "/elsewhere"), "/elsewhere: Read-only file system"),
        (OSError(5, "Input/output error", "/elsewhere"), "/elsewhere: Input/output error"),
        (OSError(28, "No space left on device", "/elsewhere"), "no space left to write /elsewhere"),
        (MemoryError(), "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 MiB"), "out of memory"),
        (
            RuntimeError("[enforce fail] Allocator: can't allocate memory"),
            "out of memory",
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried"), "out of memory"),
    ],
)
def test_an_error_of_the_system_in_a_run_is_a_machine_error(
    job: Job, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    for name, place in (("load_data", executor), ("_open_record", Executor)):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, fail)
            ended = Executor(lambda event: None, StopRequest()).do(job)
        assert (ended.status, ended.error["exit_status"]) == ("failed", 1)
        assert ended.error["message"] == message


def test_the_trace_is_kept_where_the_metadata_can_t_be_written(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(RunMetadata, "write", fail)
        raise OSError(5, "Input/output error", "/elsewhere")

    monkeypatch.setattr(executor, "load_data", fail)
    ended = Executor(lambda event: None, StopRequest()).do(job)
    assert ended.error["message"] == "/elsewhere: Input/output error"
    trace = Path(ended.run_dir) / "error.txt"
    assert "Input/output error" in trace.read_text()


def test_a_stopped_run_is_interrupted_even_if_the_disk_fails(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(RunMetadata, "write", lambda self, path: path.joinpath("x").mkdir())
        raise InterruptedRunError("interrupted")

    monkeypatch.setattr(executor, "load_data", stop)
    ended = Executor(lambda event: None, StopRequest()).do(job)
    assert (ended.status, ended.error["exit_status"]) == ("interrupted", 130)


def test_each_run_of_a_process_records_the_time_of_reading_once(
    job: Job, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints = SimpleNamespace(whole="w", labels="l", graphs="g")
    data = SimpleNamespace(
        stamp=(), current_stamp=tuple, counts=dict, fingerprint=prints, left_out={}
    )

    def slow(*arguments: Any, **options: Any) -> Any:
        clock.advance(7)
        return data

    monkeypatch.setattr(executor, "load_data", slow)
    working = Executor(lambda event: None, StopRequest(), clock)
    for _ in range(2):
        read = working._load(job, None)
        document = run_record.data_document(job.data, read, working._read_seconds)
        assert document["read_seconds"] == 7.0
        assert document["fingerprint"] == "w"
        assert document["fingerprints"] == {"labels": "l", "graphs": "g"}
    assert clock.monotonic() == 1007.0


class TestHistory:
    @pytest.fixture
    def ended(self, job: Job, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Event]]:
        """Start the job, which ends as soon as its run exists; return the events."""

        def end(self: Executor, job: Job, paths: RunPaths) -> None:
            raise RequestError("enough")

        monkeypatch.setattr(Executor, "_run", end)

        def _ended(**changes: Any) -> list[Event]:
            heard: list[Event] = []
            Executor(heard.append, StopRequest()).do(job.model_copy(update=changes))
            return heard

        return _ended

    def runs(self, job: Job, run_files: Any) -> Any:
        run_files.root = job.output_root
        run_files.root.mkdir()
        return run_files

    def test_a_new_run_archives_older_ones_and_reports_it(
        self, job: Job, ended: Any, run_files: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOPOQA_TRAIN_KEEP_RUNS", "1")
        make = self.runs(job, run_files)
        for day in range(1, 7):
            make(f"run_{day}", created=f"2026-01-0{day}T12:00:00.000+00:00")
        weights = job.output_root / "run_2" / "model_checkpoints" / "best.ckpt"
        first, *_ = ended(options=RunOptions(weights_from=weights))
        assert first.text == (
            "finished runs beyond the newest 1 moved to history/: run_5, run_4, run_3 and 1 more"
        )
        there = {path.name for path in job.output_root.iterdir()}
        assert {"run_2", "run_6"} < there
        assert not {"run_1", "run_3", "run_4", "run_5"} & there

    def test_a_run_to_resume_is_found_in_history(
        self, job: Job, run_files: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make = self.runs(job, run_files)
        old = make("old", folder="history")
        went: list[RunPaths] = []
        monkeypatch.setattr(Executor, "_run", lambda self, job, paths: went.append(paths))
        resumed = job.model_copy(update={"resume_run": job.output_root / "old"})
        Executor(lambda event: None, StopRequest()).do(resumed)
        assert went == [RunPaths(old)]

    def test_an_invalid_number_is_reported_before_anything_is_created(
        self, job: Job, ended: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOPOQA_TRAIN_KEEP_RUNS", "-1")
        (end,) = ended()
        assert "TOPOQA_TRAIN_KEEP_RUNS" in end.error["message"]
        assert not job.output_root.exists()
