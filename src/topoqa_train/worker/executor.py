"""A task inside the process that trains: from a job to a finished run directory."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from topoqa_train import atomic
from topoqa_train.clock import Clock, SystemClock, iso
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import (
    DataError,
    InterruptedRunError,
    MachineError,
    RequestError,
    TerminatedRunError,
    TopoqaTrainError,
    TrainingError,
    combine_errors,
)
from topoqa_train.launch.job import Check, Job, Task
from topoqa_train.provenance import comparison, diff
from topoqa_train.runs import history, lock, metadata, status
from topoqa_train.runs.events import DataReady, Event, GraphsRead, Notice, RunCreated, RunEnded
from topoqa_train.runs.metadata import MetadataFile, RunMetadata
from topoqa_train.runs.paths import HISTORY, RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore, current_checkpoint, current_place, run_of
from topoqa_train.stopping import StopRequest
from topoqa_train.trackers import Trackers
from topoqa_train.training import engine
from topoqa_train.training.data.load import LoadedData, load_data
from topoqa_train.worker import run_record
from topoqa_train.worker.console_log import console_log

log = logging.getLogger(__name__)
_READING_EVENT_SECONDS = 1.0
_MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc")
_NAMED = 3


class Executor:
    """Does tasks one after another and keeps the last data set in memory between them."""

    def __init__(
        self, emit: Callable[[Event], None], stop: StopRequest, clock: Clock | None = None
    ) -> None:
        self.emit = emit
        self.stop = stop
        self.clock = clock or SystemClock()
        self._data: tuple[str, LoadedData] | None = None
        self._read_seconds = 0.0

    def do(self, task: Task) -> RunEnded:
        """Do a task; whatever goes wrong is in the `RunEnded`, which is also emitted."""
        paths: RunPaths | None = None
        try:
            if isinstance(task, Check):
                self._check(task)
            else:
                paths = self._open(task)
                with lock.writing(paths):
                    self._run(task, paths)
            ended = RunEnded(
                job=task.name,
                status="completed",
                run_dir=None if paths is None else str(paths.root),
            )
        except TopoqaTrainError as error:
            ended = _ended(task, paths, error)
        except OSError as error:
            # Before there is a run, it may be that the request was wrong.
            ours = atomic.as_project_error(error) if paths is None else _of_machine(error)
            ended = _ended(task, paths, ours)
        except Exception as error:  # noqa: BLE001 - a fault of ours; the child lives on and tells it
            ended = _ended(task, paths, _out_of_memory(error) or _fault(error))
        self.emit(ended)
        return ended

    def _check(self, check: Check) -> None:
        data = self._load(check, None)
        self._tell_data(check.name, data)
        faults: list[tuple[str, RequestError]] = []
        for job in check.jobs:
            try:
                engine.rehearse(job.config, _options(job), data)
            except RequestError as error:
                faults.append((job.name, error))
        if faults:
            raise combine_errors(faults)

    def _open(self, job: Job) -> RunPaths:
        if job.resume_run is not None:
            # It may have been put aside since this was planned.
            return current_place(RunPaths(job.resume_run))
        keep = history.keep_runs()
        store = RunStore(job.output_root)
        now = run_record.surroundings_of(job)

        def fill(place: RunPaths, run_id: str) -> None:
            run_record.write_configs(job, place)
            # Last of all: with it, it is a run.
            run_record.describe(job, run_id, self.clock, now).write(place.metadata)

        def tell(text: str) -> None:
            self.emit(Notice(job=job.name, text=text))

        paths = store.create(
            job.name, job.run_name, self.clock, stamped=job.stamped, fill=fill, warn=tell
        )
        self._put_aside(store, job, keep, tell)
        return paths

    def _put_aside(self, store: RunStore, job: Job, keep: int, tell: Callable[[str], None]) -> None:
        """Move older finished runs to `history/`; whatever becomes of that, this run goes on."""
        spare = {run_of(path)} if (path := job.options.weights_from) else set()
        moved = history.tidy(store, self.clock, keep=keep, spare=spare, warn=tell)
        if moved:
            names = ", ".join(run.run_id for run in moved[:_NAMED])
            more = f" and {len(moved) - _NAMED} more" if len(moved) > _NAMED else ""
            tell(f"finished runs beyond the newest {keep} moved to {HISTORY}/: {names}{more}")

    def _run(self, job: Job, paths: RunPaths) -> None:
        if job.resume_run is not None:
            # Before anything of the run is touched: it may have been whole.
            _check_same_data(metadata.read(paths.metadata), job, self._load(job, None))
            for folder in (paths.root, paths.config_dir, paths.metrics.parent):
                atomic.delete_leftovers(folder)
            run_record.write_changed_config(job, paths)
        record, news = self._record(job, paths)
        self.emit(RunCreated(job=job.name, run_dir=str(paths.root)))
        emit = self._emit_and_keep(record)
        for text in news:
            emit(Notice(job=job.name, text=text))
        with (
            console_log(paths.console_log),
            # Outside what writes the run's final status: a tracker waits for that.
            Trackers(job.name, job.config, emit, self.stop) as trackers,
            _failures_kept(record, paths, self.clock),
        ):
            data = self._load(job, paths)
            self._tell_data(job.name, data)
            self._tell_left_out(job.name, data, emit)
            run_record.write_data_documents(paths, data)
            record.update(data=run_record.data_document(job.data, data, self._read_seconds))
            self._tell_of_other_data(job.name, paths, record, emit)
            trackers.start(paths.root)
            began = self.clock.monotonic()
            before = run_record.seconds_before(record.document)
            result = engine.fit(
                job=job.name,
                config=job.config,
                options=_options(job),
                data=data,
                paths=paths,
                record=record,
                emit=trackers.emit,
                stop=self.stop,
                clock=self.clock,
                resume_run=job.resume_run is not None,
                resume_checkpoint=job.resume_checkpoint,
            )
            test = engine.evaluate_best(job.config, data, paths)
            record.update(
                status=Status.COMPLETED,
                completed=iso(self.clock.now()),
                test=test,
                error=None,
                runtime=run_record.runtime(result, before + self.clock.monotonic() - began),
                again_of=comparison.with_figures(paths, record.document, test),
            )

    def _record(self, job: Job, paths: RunPaths) -> tuple[MetadataFile, list[str]]:
        """The run's metadata, written as those of one at work, and what people are to be told."""
        news: list[str] = []
        document = metadata.read(paths.metadata)
        if job.resume_run is None and job.again_of is not None:
            again_of, unlike = comparison.begun(job.again_of, run_record.surroundings_of(job))
            document = document.model_copy(update={"again_of": again_of})
            if unlike:
                news.append(f"not as in {job.again_of.run_id}: {diff.on_one_line(unlike)}")
        elif job.resume_run is not None:
            now = run_record.surroundings_of(job)
            sitting = run_record.sitting(document, job, now, self.clock)
            unlike = [each for each in diff.of_surroundings(document, now) if each.telling]
            if unlike:
                news.append(
                    f"goes on with {diff.on_one_line(unlike)}: from here on the numbers "
                    "may not be those of a run never stopped"
                )
            document = document.model_copy(
                update={
                    "status": Status.RUNNING,
                    "completed": None,
                    "error": None,
                    "process": status.this_process(),
                    "begun_by": job.begun_by or document.begun_by,
                    "overrides": job.overrides,
                    "training_parameters": run_record.training_parameters(job),
                    "config": diff.decisive(job.config),
                    "resumed": [*document.resumed, sitting],
                }
            )
        record = MetadataFile(paths.metadata, document)
        record.update()
        with suppress(FileNotFoundError):
            paths.error.unlink()
        return record, news

    def _emit_and_keep(self, record: MetadataFile) -> Callable[[Event], None]:
        def emit(event: Event) -> None:
            if isinstance(event, Notice) and event.text not in record.document.warnings:
                record.update(warnings=[*record.document.warnings, event.text])
            self.emit(event)

        return emit

    def _load(self, task: Task, paths: RunPaths | None) -> LoadedData:
        key = task.data_key
        if self._data is not None and self._data[0] == key and _unchanged(self._data[1]):
            return self._data[1]
        self._data = None  # never two data sets in memory
        began = self.clock.monotonic()
        data = load_data(
            task.data.labels(),
            graph_dir=task.data.graph,
            metadata_path=task.data.metadata,
            summary_path=task.data.summary,
            minimum_percent=task.config.coverage.required_percent,
            fail_on_missing=task.config.coverage.fail_on_missing,
            coverage_path=None if paths is None else paths.coverage,
            on_graph=_Reading(task.name, self.emit, self.stop, self.clock),
        )
        self._data = (key, data)
        self._read_seconds = self.clock.monotonic() - began
        return data

    def _tell_of_other_data(
        self, job: str, paths: RunPaths, record: MetadataFile, emit: Callable[[Event], None]
    ) -> None:
        """Of a run that does another one again: whether it does so on the same data."""
        found = comparison.with_data(paths, record.document)
        if found is None:
            return
        again_of, unlike = found
        record.update(again_of=again_of)
        other = again_of["run_id"]
        if unlike:
            text = f"the data are not those of {other}: {diff.on_one_line(unlike)}"
            emit(Notice(job=job, text=f"{text}; the numbers may differ"))
        else:
            self.emit(Notice(job=job, text=f"the data are those of {other}, labels and graphs"))

    @staticmethod
    def _tell_left_out(job: str, data: LoadedData, emit: Callable[[Event], None]) -> None:
        rows = ", ".join(f"{count} of {split}" for split, count in data.left_out.items() if count)
        if rows:
            text = f"labels without a finite dockq are left out: {rows}"
            log.warning(text)
            emit(Notice(job=job, text=text))

    def _tell_data(self, job: str, data: LoadedData) -> None:
        self.emit(
            DataReady(
                job=job,
                graphs=data.counts(),
                coverage=data.coverage_percent(),
                node_dim=data.schema.node_dim,
                edge_dim=data.schema.edge_dim,
            )
        )


def _check_same_data(document: RunMetadata, job: Job, data: LoadedData) -> None:
    """A run that goes on must see what it saw; a new one has nothing to differ from yet."""
    seen = document.data.get("fingerprint")
    if seen is None or seen == data.fingerprint.whole:
        return
    now, before = data.counts(), document.data.get("graphs")
    raise DataError(
        f"{document.run_name} was trained on other data than there are now",
        details=[
            f"graphs then {before}, now {now}" if now != before else "labels or graphs differ",
            *(_other_paths(document, job) or ["all paths are as they were: the files changed"]),
        ],
        hint="Bring the old data back, or start a new run from its weights: "
        "topoqa-train run --resume-from CKPT",
    )


def _other_paths(document: RunMetadata, job: Job) -> list[str]:
    """The keys that name other files than they did."""
    labels = document.data.get("labels")
    then = {f"paths.{split}_labels": path for split, path in dict(labels or {}).items()}
    then["paths.graph"] = document.data.get("graph")
    now = {f"paths.{split}_labels": str(path) for split, path in job.data.labels().items()}
    now["paths.graph"] = str(job.data.graph)
    return [
        f"{key}: {then.get(key)} in the run, {now.get(key)} now"
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    ]


class _Reading:
    """Called before each graph is read: tells about once a second, and stops when asked to."""

    def __init__(
        self, job: str, emit: Callable[[Event], None], stop: StopRequest, clock: Clock
    ) -> None:
        self.job = job
        self.emit = emit
        self.stop = stop
        self.clock = clock
        self._said = clock.monotonic()

    def __call__(self, done: int, total: int) -> None:
        self.stop.check()
        now = self.clock.monotonic()
        if now - self._said >= _READING_EVENT_SECONDS:
            self._said = now
            self.emit(GraphsRead(job=self.job, graphs_read=done, graphs=total))


def _options(job: Job) -> RunOptions:
    """Return the job's options, with the checkpoint where it is now."""
    weights = job.options.weights_from
    return job.options.model_copy(update={"weights_from": weights and current_checkpoint(weights)})


def _ended(task: Task, paths: RunPaths | None, error: TopoqaTrainError) -> RunEnded:
    stopped = isinstance(error, InterruptedRunError | TerminatedRunError)
    kind: Literal["interrupted", "failed"] = "interrupted" if stopped else "failed"
    return RunEnded(
        job=task.name,
        status=kind,
        run_dir=None if paths is None else str(paths.root),
        error=error.to_json(),
    )


@contextmanager
def _failures_kept(record: MetadataFile, paths: RunPaths, clock: Clock) -> Iterator[None]:
    """Write how a run failed into its own files, then let the error go on as one of ours."""
    try:
        yield
    except (InterruptedRunError, TerminatedRunError) as error:
        # Unwritten, it is what the run is all the same once its process is gone.
        with suppress(OSError, TopoqaTrainError):
            record.update(status=Status.INTERRUPTED, error=error.to_json())
        log.warning("%s", error.message)
        raise
    except Exception as error:
        ours = _as_ours(error)
        trace = traceback.format_exc()
        log.error("%s", trace)  # noqa: TRY400 - the trace goes to the log as text, once
        # The disk may be what failed: the error itself must still come through.
        with suppress(OSError, TopoqaTrainError):
            record.update(status=Status.FAILED, error=ours.to_json(), completed=iso(clock.now()))
        with suppress(OSError, TopoqaTrainError):
            atomic.write_text(paths.error, trace)
        raise ours from error


def _as_ours(error: Exception) -> TopoqaTrainError:
    if isinstance(error, TopoqaTrainError):
        return error
    memory = _out_of_memory(error)
    if memory is not None:
        return memory
    if isinstance(error, OSError):
        return _of_machine(error)
    return TrainingError(
        f"the training failed: {type(error).__name__}: {error}",
        hint="The trace is in error.txt of the run.",
    )


def _out_of_memory(error: Exception) -> TrainingError | None:
    """The error for too little memory, if it was that: Python, torch and CUDA say it otherwise."""
    said = str(error)
    if not isinstance(error, MemoryError) and not any(
        words in said.lower() for words in _MEMORY_WORDS
    ):
        return None
    return TrainingError(
        "out of memory",
        details=said.splitlines()[:1],
        hint="A smaller dataloader.batch_size, or fewer jobs at once (--jobs), needs less.",
    )


def _of_machine(error: OSError) -> MachineError:
    """What the system refuses a run that is under way: no fault of the request."""
    ours = atomic.as_project_error(error)
    return MachineError(ours.message, details=ours.details, hint=ours.hint)


def _fault(error: Exception) -> TrainingError:
    """The error for what went wrong outside the part of a run that keeps its own traces."""
    return TrainingError(
        f"a fault of this program itself: {type(error).__name__}: {error}",
        details=traceback.format_exception(error)[-2].strip().splitlines(),
        hint="Please report it.",
    )


def _unchanged(data: LoadedData) -> bool:
    return data.stamp == data.current_stamp()
