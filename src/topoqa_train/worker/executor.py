"""Run a task inside the training process: from a job to a finished run directory."""

from __future__ import annotations

import logging
from collections.abc import Callable

from topoqa_train import atomic
from topoqa_train.clock import Clock, SystemClock, iso
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import (
    InterruptedRunError,
    RequestError,
    TerminatedRunError,
    TopoqaTrainError,
    combine_errors,
)
from topoqa_train.launch.job import Check, Job, Task
from topoqa_train.provenance import comparison, diff
from topoqa_train.runs import history, lock, metadata
from topoqa_train.runs.events import DataReady, Event, GraphsRead, Notice, RunCreated, RunEnded
from topoqa_train.runs.metadata import MetadataFile
from topoqa_train.runs.paths import HISTORY, RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore, current_checkpoint, current_place, run_of
from topoqa_train.stopping import StopRequest
from topoqa_train.trackers import Trackers
from topoqa_train.training import engine
from topoqa_train.training.data.load import LoadedData, load_data
from topoqa_train.worker import failures, run_record
from topoqa_train.worker.console_log import console_log

log = logging.getLogger(__name__)
_READING_EVENT_SECONDS = 1.0
_SHOWN = 3
Emit = Callable[[Event], None]


class Executor:
    """Runs tasks one after another and keeps the last data set in memory between them."""

    def __init__(self, emit: Emit, stop: StopRequest, clock: Clock | None = None) -> None:
        self.emit = emit
        self.stop = stop
        self.clock = clock or SystemClock()
        self._data: tuple[str, LoadedData] | None = None
        self._read_seconds = 0.0

    def do(self, task: Task) -> RunEnded:
        """Run a task and return its outcome, which is also emitted; raise no error."""
        paths: RunPaths | None = None
        error: TopoqaTrainError | None = None
        try:
            if isinstance(task, Check):
                self._check(task)
            else:
                paths = self._open(task)
                # A second writer would mix its metrics and checkpoints with these: refuse it.
                with lock.writing(paths):
                    self._run(task, paths)
        except Exception as raised:  # noqa: BLE001 - the child must survive it for further tasks
            error = failures.as_task_error(raised, in_run=paths is not None)
        stopped = isinstance(error, InterruptedRunError | TerminatedRunError)
        ended = RunEnded(
            job=task.name,
            status="completed" if error is None else "interrupted" if stopped else "failed",
            run_dir=None if paths is None else str(paths.root),
            error=None if error is None else error.to_json(),
        )
        self.emit(ended)
        return ended

    def _check(self, check: Check) -> None:
        # The data stay in memory: the first job that runs in this process needs them again.
        data = self._load(check, None)
        self._emit_data(check.name, data)
        errors: list[tuple[str, RequestError]] = []
        for job in check.jobs:
            try:
                engine.rehearse(job.config, _options(job), data)
            except RequestError as error:
                errors.append((job.name, error))
        if errors:
            raise combine_errors(errors)

    def _open(self, job: Job) -> RunPaths:
        """Return the directory of the run to resume, or of a new one."""
        if job.resume_run is not None:
            return current_place(RunPaths(job.resume_run))  # it may have been moved to history/
        keep = history.keep_runs()
        store = RunStore(job.output_root)
        now = run_record.environment_of(job)

        def fill(place: RunPaths, run_id: str) -> None:
            run_record.write_configs(job, place)
            # Metadata last: only with them is a directory a run.
            run_record.describe(job, run_id, self.clock, now).write(place.metadata)

        def warn(text: str) -> None:
            self.emit(Notice(job=job.name, text=text))

        paths = store.create(
            job.name, job.run_name, self.clock, stamped=job.stamped, fill=fill, warn=warn
        )
        self._archive_old(store, job, keep, warn)
        return paths

    def _archive_old(
        self, store: RunStore, job: Job, keep: int, warn: Callable[[str], None]
    ) -> None:
        """Move older finished runs to `history/`; a failure is a warning, not an error."""
        spare = {run_of(path)} if (path := job.options.weights_from) else set()
        moved = history.tidy(store, self.clock, keep=keep, spare=spare, warn=warn)
        if moved:
            names = ", ".join(run.run_id for run in moved[:_SHOWN])
            more = f" and {len(moved) - _SHOWN} more" if len(moved) > _SHOWN else ""
            warn(f"finished runs beyond the newest {keep} moved to {HISTORY}/: {names}{more}")

    def _run(self, job: Job, paths: RunPaths) -> None:
        if job.resume_run is not None:
            self._prepare_resume(job, paths)
        record, notices = self._open_record(job, paths)
        # Announced once its files say that it is running, so that every reader finds it.
        self.emit(RunCreated(job=job.name, run_dir=str(paths.root)))
        emit = self._recording_warnings(record)
        for text in notices:
            emit(Notice(job=job.name, text=text))
        with (
            console_log(paths.console_log),
            # Outside of what writes the run's final status: a tracker waits for that.
            Trackers(job.name, job.config, emit, self.stop) as trackers,
            failures.recorded(record, paths, self.clock),
        ):
            data = self._load_into(job, paths, record, emit)
            trackers.start(paths.root)
            self._train(job, paths, record, data, trackers.emit)

    def _prepare_resume(self, job: Job, paths: RunPaths) -> None:
        # Checked before any file of the run changes: the run may be complete and valid.
        run_record.check_same_data(metadata.read(paths.metadata), job, self._load(job, None))
        for folder in (paths.root, paths.config_dir, paths.metrics.parent):
            atomic.delete_leftovers(folder)
        run_record.write_config(job, paths)

    def _open_record(self, job: Job, paths: RunPaths) -> tuple[MetadataFile, list[str]]:
        """Write the metadata of a running run; return them with notices for the user."""
        document, notices = metadata.read(paths.metadata), []
        if job.resume_run is not None:
            now = run_record.environment_of(job)
            differing = [
                each for each in diff.of_environment(document, now) if each.warns_on_resume
            ]
            if differing:
                notices.append(
                    f"resumed with {diff.on_one_line(differing)}: from here on the results may "
                    "differ from those of an uninterrupted run"
                )
            document = run_record.resumed(document, job, now, self.clock)
        elif job.rerun_of is not None:
            rerun_of, news = comparison.at_start(job.rerun_of, run_record.environment_of(job))
            if news:
                notices.append(f"differs from {job.rerun_of.run_id}: {diff.on_one_line(news)}")
            document = document.model_copy(update={"rerun_of": rerun_of})
        record = MetadataFile(paths.metadata, document)
        record.update()
        # The error of an earlier session must not be taken for one of this session.
        paths.error.unlink(missing_ok=True)
        return record, notices

    def _recording_warnings(self, record: MetadataFile) -> Emit:
        """Return an `emit` that also keeps notices in the run's metadata."""

        def emit(event: Event) -> None:
            if isinstance(event, Notice) and event.text not in record.document.warnings:
                record.update(warnings=[*record.document.warnings, event.text])
            self.emit(event)

        return emit

    def _load_into(self, job: Job, paths: RunPaths, record: MetadataFile, emit: Emit) -> LoadedData:
        """Load the data, and record and report what they are."""
        data = self._load(job, paths)
        self._emit_data(job.name, data)
        rows = ", ".join(f"{count} of {split}" for split, count in data.left_out.items() if count)
        if rows:
            text = f"labels without a finite dockq are left out: {rows}"
            log.warning(text)
            emit(Notice(job=job.name, text=text, once=True))
        # Written before the training: a run that dies in its first epoch says what it trained on.
        run_record.write_data_documents(paths, data)
        record.update(data=run_record.data_document(job.data, data, self._read_seconds))
        if (found := comparison.with_data(paths, record.document)) is not None:
            rerun_of, differing = found
            record.update(rerun_of=rerun_of)
            other = rerun_of["run_id"]
            if differing:
                text = f"the data differ from those of {other}: {diff.on_one_line(differing)}"
                emit(Notice(job=job.name, text=f"{text}; results may differ"))
            else:
                text = f"the data equal those of {other}, labels and graphs"
                self.emit(Notice(job=job.name, text=text))
        return data

    def _train(
        self, job: Job, paths: RunPaths, record: MetadataFile, data: LoadedData, emit: Emit
    ) -> None:
        began = self.clock.monotonic()
        # Read before `fit` overwrites the progress of earlier sessions.
        before = run_record.seconds_before(record.document)
        result = engine.fit(
            job=job.name,
            config=job.config,
            options=_options(job),
            data=data,
            paths=paths,
            record=record,
            emit=emit,
            stop=self.stop,
            clock=self.clock,
            resume_run=job.resume_run is not None,
            resume_checkpoint=job.resume_checkpoint,
        )
        test = engine.evaluate_best(job.config, data, paths)
        # One atomic write, after everything else: who reads 'completed' finds all files complete.
        record.update(
            status=Status.COMPLETED,
            completed=iso(self.clock.now()),
            test=test,
            error=None,
            runtime=run_record.runtime(result, before + self.clock.monotonic() - began),
            rerun_of=comparison.with_metrics(paths, record.document, test),
        )

    def _load(self, task: Task, paths: RunPaths | None) -> LoadedData:
        """Return the data of `task`, from memory if its files have not changed since."""
        if self._data is not None:
            key, data = self._data
            if key == task.data_key and data.stamp == data.current_stamp():
                return data
        self._data = None  # frees the memory before the next data set is read
        began = self.clock.monotonic()
        data = load_data(
            task.data.labels(),
            graph_dir=task.data.graph,
            metadata_path=task.data.metadata,
            summary_path=task.data.summary,
            minimum_percent=task.config.coverage.required_percent,
            fail_on_missing=task.config.coverage.fail_on_missing,
            coverage_path=None if paths is None else paths.coverage,
            on_graph=self._reading(task.name),
        )
        self._data = (task.data_key, data)
        self._read_seconds = self.clock.monotonic() - began
        return data

    def _reading(self, job: str) -> Callable[[int, int], None]:
        """Return a callback that reports progress once a second, and stops when asked to."""
        last = self.clock.monotonic()

        def on_graph(done: int, total: int) -> None:
            nonlocal last
            self.stop.check()
            now = self.clock.monotonic()
            if now - last >= _READING_EVENT_SECONDS:
                last = now
                self.emit(GraphsRead(job=job, graphs_read=done, graphs=total))

        return on_graph

    def _emit_data(self, job: str, data: LoadedData) -> None:
        self.emit(
            DataReady(
                job=job,
                graphs=data.counts(),
                coverage=data.coverage_percent(),
                node_dim=data.schema.node_dim,
                edge_dim=data.schema.edge_dim,
            )
        )


def _options(job: Job) -> RunOptions:
    """Return the job's options, with the checkpoint where it is now."""
    weights = job.options.weights_from
    return job.options.model_copy(update={"weights_from": weights and current_checkpoint(weights)})
