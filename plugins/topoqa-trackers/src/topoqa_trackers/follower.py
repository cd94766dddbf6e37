"""Follow a run from outside: read its files periodically, send what the store misses.

All state can be had again: what was sent is in the store, what should be there is in the files of
the run. So a server that comes back, a resumed run and a late start are the same case.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from topoqa_trackers.record import Record
from topoqa_trackers.supervisor import Task
from topoqa_trackers.uri import without_password
from topoqa_train import api
from topoqa_train.api import RunSummary

_POLL_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 5.0
# So many failures in a row are enough once the run is over.
_LAST_TRIES = 3
_LINE = 160


class Backend(Protocol):
    """A connection to the store of one tracker. Every call may raise any exception."""

    def update(self, run: RunSummary, *, ended: bool) -> None:
        """Send what the store misses of `run`; must be idempotent. `ended`: it will not change."""
        ...


# A backend may change the record that it is given, and calls the function to save it.
Connect = Callable[[Task, Record, Callable[[], None]], Backend]


class Session:
    """One session of a run: until its process ends it or dies, or another process resumes it."""

    def __init__(self, run_dir: Path) -> None:
        """Read the run; raises `RequestError` if there is none in `run_dir`."""
        self.run = api.read_run(run_dir)
        self._process = self.run.metadata.process
        self._parent = os.getppid()
        self._readable = True

    def look(self) -> RunSummary:
        """Return the run now, also after it was moved to `history/`; raises `RequestError`.

        Epochs that a resumed run would repeat are left out. run_metadata.json is written last in
        an epoch, so its count is what is final; nothing that is sent has to be taken back.
        """
        self._readable = False
        run = api.read_run(self.run.paths.root)
        done = run.metadata.progress.get("epochs_done", 0)
        self.run = replace(run, rows=[row for row in run.rows if row["epoch"] < done])
        self._readable = True
        return self.run

    @property
    def over(self) -> bool:
        """Whether this session can add nothing to the run as it was last seen."""
        # Without readable files, only the parent shows whether the training is alive.
        orphaned = not self._readable and os.getppid() != self._parent
        return self.resumed_elsewhere or orphaned or self.run.status not in ("created", "running")

    @property
    def resumed_elsewhere(self) -> bool:
        """Whether another process has resumed the run."""
        return self.run.metadata.process != self._process


class Follower:
    """Sends a run to a tracker's store until its session is over."""

    def __init__(
        self,
        session: Session,
        task: Task,
        record: Record,
        connect: Connect,
        pause: Callable[[float], None],
    ) -> None:
        self.session = session
        self.task = task
        self.record = record
        self.connect = connect
        self.pause = pause
        self._backend: Backend | None = None
        self._seen: RunSummary | None = None
        self._saved: Record | None = None

    def follow(self) -> bool:
        """Return whether all of the run was sent in the end; the record has what went wrong."""
        failures = 0
        self._save()
        while True:
            done = self._try()
            failures = 0 if done else failures + 1
            over = self.session.over
            if self.record.state == "given up" or (over and (done or failures >= _LAST_TRIES)):
                break
            self.pause(_POLL_SECONDS if over else min(2**failures, _LONGEST_PAUSE_SECONDS))
        self.record.state = "done" if done else "given up"
        self._save()
        return done

    def _try(self) -> bool:
        try:
            run = self.session.look()
            if run != self._seen:
                self._send(run)
        except Exception as error:  # noqa: BLE001 - a tracker's library can raise anything
            self._backend = self._seen = None
            self._report(error)
            return False
        self.record.problem = None
        self._save()
        return True

    def _send(self, run: RunSummary) -> None:
        if self._backend is None:
            self._backend = self.connect(self.task, self.record, self._save)
        self._backend.update(run, ended=self.session.over and not self.session.resumed_elsewhere)
        self._seen, self.record.epochs = run, len(run.rows)

    def _report(self, error: Exception) -> None:
        problem = f"{self.task.tracker}: {self.record.store}: {_reason(error)}"
        if isinstance(error, ImportError):
            # Trying again would not help.
            self.record.state = "given up"
            problem = f"{self.task.tracker}: {_reason(error)}: pip install topoqa-trackers"
        if problem != self.record.problem:
            trace = "".join(traceback.format_exception(error))
            sys.stderr.write(without_password(f"{problem}\n{trace}"))
        self.record.problem = problem
        self._save()

    def _save(self) -> None:
        if self.record != self._saved:
            self.record.write(self._path)
            self._saved = self.record.model_copy()

    @property
    def _path(self) -> Path:
        return self.session.run.paths.root / f"{self.task.tracker}.json"


def _reason(error: BaseException) -> str:
    """Return one line: the system's reason if one is at the bottom of `error`, else its text."""
    text = str(error)
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, OSError) and (below.strerror or isinstance(below, TimeoutError)):
            text = below.strerror or "no answer in time"
        below = below.__cause__ or below.__context__
    line = (without_password(text).strip() or type(error).__name__).splitlines()[0]
    return line if len(line) <= _LINE else f"{line[:_LINE]}..."
