"""Following a run from outside: read its files again and again, send MLflow what is new.

Nothing is kept in memory that could not be had again: what MLflow has is asked of MLflow, what it
should have is in the run's files. So a server that comes back, a resumed run and a tracker that
starts late are all the same case.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Protocol

from topoqa_train.config.models import MLflowConfig
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.tracking.entries import (
    RUN_DIR,
    Entries,
    contradicts,
    entries_of,
    final_status,
    milliseconds,
)
from topoqa_train.tracking.record import TrackingRecord
from topoqa_train.tracking.record import read as read_record
from topoqa_train.tracking.run_watcher import Glimpse, Sitting
from topoqa_train.tracking.supervisor import TrackerTask
from topoqa_train.tracking.uri import TrackingPlace, place_of, without_secret

NOT_INSTALLED = 'mlflow not installed: pip install "topoqa-train[mlflow]"'
POLL_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5.0
# So many failures in a row are enough once the run is over.
_LAST_TRIES = 3
_LINE = 160

log = logging.getLogger(__name__)


class Store(Protocol):
    """What a tracker needs of MLflow; see `MLflowStore`."""

    def create(self, name: str, began: int) -> str:
        """Begin a run."""
        ...

    def entries(self, run_id: str) -> Entries | None:
        """What a run has."""
        ...

    def send(self, run_id: str, entries: Entries) -> None:
        """Add to a run."""
        ...

    def go_on(self, run_id: str) -> None:
        """Say that a run is running."""
        ...

    def end(self, run_id: str, status: str, ended: int | None) -> None:
        """Say how and when a run ended."""
        ...

    def upload(self, run_id: str, file: Path, folder: str | None) -> None:
        """Keep a file with a run."""
        ...


Connect = Callable[[TrackingPlace, str], Store]


class Follower:
    """Brings MLflow up to a run's files, until its sitting is over."""

    def __init__(
        self,
        sitting: Sitting,
        task: TrackerTask,
        connect: Connect,
        pause: Callable[[float], None],
    ) -> None:
        self.sitting = sitting
        self.task = task
        self.config: MLflowConfig = task.config
        self.connect = connect
        self.pause = pause
        self._store: Store | None = None
        self._there: Entries | None = None
        self._seen: Glimpse | None = None
        self._over = False
        self.record = self._record()
        self._place = place_of(self.config.tracking_uri, Path(self.record.folder))

    def follow(self) -> bool:
        """Whether MLflow has all of the run in the end; trouble on the way is in the record."""
        failures = 0
        self._note()
        while True:
            over = self.sitting.over
            done = self._try()
            failures = 0 if done else failures + 1
            if self.record.state == "given up" or (done and self._over):
                break
            if over and failures >= _LAST_TRIES:
                break
            self.pause(POLL_SECONDS if over else min(2**failures, _LONGEST_PAUSE_SECONDS))
        self._note(state="done" if done else "given up")
        return done

    def _try(self) -> bool:
        try:
            self._bring()
        except Exception as error:  # noqa: BLE001 - MLflow and what is below it raise all there is
            self._store = self._there = self._seen = None
            self._trouble(error)
            return False
        self._note(problem=None)
        return True

    def _bring(self) -> None:
        run = self.sitting.look()
        if run == self._seen:
            return
        if self._store is None:
            self._store = self.connect(self._place, self.config.experiment)
        store = self._store
        run_id, there = self._opened(store, run)
        folder = self.sitting.paths.root
        news = there.lacking(entries_of(run.document, run.rows, run.status, self.config, folder))
        if news:
            store.send(run_id, news)
            there.add(news)
        if run.over and not self.sitting.replaced:
            self._end(store, run_id, run)
        self._seen, self._over = run, run.over
        self._note(epochs=len(run.rows))

    def _opened(self, store: Store, run: Glimpse) -> tuple[str, Entries]:
        """The run of MLflow and what is in it; a new one where there is none that fits."""
        run_id, there = self.record.run_id, self._there
        if run_id is not None and there is None:
            there = store.entries(run_id)
            if there is not None and self._is_of_another(run_id, there):
                run_id = there = None
            if run_id is not None and there is not None:
                store.go_on(run_id)
        if run_id is not None and there is not None and contradicts(there, run.rows):
            self._put_aside(store, run_id)
            there = None
        if run_id is None or there is None:
            name = self.config.run_name or run.document.run_name
            run_id = store.create(name, milliseconds(run.document.created))
            there = Entries()
            self._note(run_id=run_id)
        self._there = there
        return run_id, there

    def _is_of_another(self, run_id: str, there: Entries) -> bool:
        """Whether this run is a copy, and the run it was copied from is still in its place."""
        first = RunPaths(Path(there.tags.get(RUN_DIR, "")))
        record = read_record(first.tracking)
        return (
            record is not None
            and record.run_id == run_id
            and not first.root.samefile(self.sitting.paths.root)
        )

    @staticmethod
    def _put_aside(store: Store, run_id: str) -> None:
        why = "the run went back to an earlier epoch and goes on as another run of MLflow"
        log.info("%s: %s", run_id, why)
        store.send(run_id, Entries(tags={"status": "superseded", "superseded": why}))
        store.end(run_id, final_status(Status.INTERRUPTED), None)

    def _end(self, store: Store, run_id: str, run: Glimpse) -> None:
        ended = milliseconds(run.document.completed) or None
        # First of all: files can be large, and the time for them is short.
        store.end(run_id, final_status(run.status), ended)
        if self.config.log_artifacts:
            for file, folder in artifacts(self.sitting.paths):
                store.upload(run_id, file, folder)

    def _record(self) -> TrackingRecord:
        """The record of an earlier sitting, if that was tracked in the same place; or a new one."""
        uri = without_secret(self.config.tracking_uri)
        before = read_record(self.sitting.paths.tracking)
        folder = self.task.folder
        if before is not None and before.tracking_uri == uri and Path(before.folder).is_dir():
            # Resumed from elsewhere, a run still belongs where it was tracked first.
            folder = Path(before.folder)
        store = without_secret(place_of(self.config.tracking_uri, folder).uri)
        fresh = TrackingRecord(
            tracking_uri=uri,
            folder=str(folder),
            store=store,
            experiment=self.config.experiment,
            pid=os.getpid(),
        )
        same = (
            before is not None
            and before.store == store
            and before.experiment == self.config.experiment
        )
        return fresh.model_copy(update={"run_id": before.run_id}) if before and same else fresh

    def _note(self, **fields: object) -> None:
        record = self.record.model_copy(update=fields)
        if record != self.record or not fields:
            self.record = record
            record.write(self.sitting.paths.tracking)

    def _trouble(self, error: Exception) -> None:
        state: Literal["following", "given up"] = "following"
        if isinstance(error, ImportError):
            problem, state = _not_importable(error), "given up"
        else:
            problem = f"mlflow: {self.record.store}: {_reason(error)}"
        if problem != self.record.problem:
            log.warning("%s", problem, exc_info=error)
        self._note(problem=problem, state=state)


def artifacts(paths: RunPaths) -> Iterator[tuple[Path, str | None]]:
    """The files of a run that MLflow keeps, the largest last, and the folder of each there."""
    named = [
        paths.metadata,
        paths.coverage,
        paths.feature_metadata,
        paths.error,
        paths.config,
        paths.original_config,
        paths.applied_overrides,
        paths.metrics,
        paths.test_predictions,
        paths.best.resolve(),
    ]
    root = paths.root.resolve()
    for file in named:
        inside = file.resolve()
        if inside.is_file() and inside.is_relative_to(root):
            folder = inside.parent.relative_to(root).as_posix()
            yield inside, None if folder == "." else folder


def _not_importable(error: ImportError) -> str:
    if error.name == "mlflow":
        return NOT_INSTALLED
    return f'mlflow: {_reason(error)}; pip install "topoqa-train[mlflow]" brings what it needs'


def _reason(error: BaseException) -> str:
    """One line: what the system says, where that is at the bottom of it, else what is on top."""
    text = str(error)
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and (below.strerror or isinstance(below, TimeoutError)):
            text = below.strerror or "no answer in time"
        below = below.__cause__ or below.__context__
    line = (without_secret(text).strip() or type(error).__name__).splitlines()[0]
    return line if len(line) <= _LINE else f"{line[:_LINE]}..."
