"""Jobs in child processes that stay warm: torch is loaded once a child, not once a job.

A child reads a task a line on its standard input and answers with events, a line each, on its
standard output. It notices a parent that is gone by the end of its input.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, ClassVar, Self

from pydantic import ValidationError

from topoqa_train.errors import (
    InterruptedRunError,
    MachineError,
    TerminatedRunError,
    TopoqaTrainError,
)
from topoqa_train.launch import job as jobs
from topoqa_train.launch.base import OnEvent
from topoqa_train.launch.environment import for_child
from topoqa_train.launch.job import Task
from topoqa_train.launch.signals import StopSignals, caught
from topoqa_train.runs import events
from topoqa_train.runs.events import Begun, Event, RunCreated, RunEnded

_POLL_SECONDS = 0.2
# The kernel's out-of-memory killer sends SIGKILL.
_OUT_OF_MEMORY = "Out of memory? Fewer jobs at once (--jobs 1) or a smaller batch may help."
_END_SECONDS = 10.0


@dataclass(eq=False)
class _Child:
    """One warm process and what it is at.

    `proven` once it has done a task; `heard` once it has said something of the one it has.
    """

    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    task: int | None = None
    run_dir: str | None = None
    proven: bool = False
    heard: bool = False
    reader: threading.Thread | None = field(default=None, repr=False)

    def send(self, task: Task) -> None:
        if self.process.stdin is None:
            raise RuntimeError("a child is started with a pipe to its input")
        self.process.stdin.write((jobs.to_line(task) + "\n").encode())
        self.process.stdin.flush()


@dataclass
class _Round:
    """One call of `run`: what is to be done and what has come of it."""

    tasks: Sequence[Task]
    on_event: OnEvent
    keep_going: bool
    signals: StopSignals
    next_task: int = 0
    signals_sent: int = 0
    ended: dict[int, RunEnded] = field(default_factory=dict)

    @property
    def may_begin(self) -> bool:
        failed = any(end.status != "completed" for end in self.ended.values())
        return (
            self.next_task < len(self.tasks)
            and not self.signals.count
            and (self.keep_going or not failed)
        )


class ChildLauncher:
    """A pool of at most `at_once` warm children.

    A launcher of a plugin may put words before `command`: whatever runs it with these pipes to its
    standard input and output, and passes signals on, will do.
    """

    # -P: a file in the working directory must not stand in for a library.
    command: ClassVar[tuple[str, ...]] = (sys.executable, "-P", "-m", "topoqa_train.worker.child")

    def __init__(self, at_once: int) -> None:
        self.at_once = max(1, at_once)
        self._children: list[_Child] = []
        self._inbox: queue.Queue[tuple[_Child, bytes | None]] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in list(self._children):
            self._end(child)

    def run(self, tasks: Sequence[Task], on_event: OnEvent, *, keep_going: bool) -> list[RunEnded]:
        """See `Launcher.run`."""
        with caught() as signals:
            this = _Round(tasks, on_event, keep_going, signals)
            self._begin_all(this)
            while any(child.task is not None for child in self._children):
                self._forward_signals(this)
                with suppress(queue.Empty):
                    child, line = self._inbox.get(timeout=_POLL_SECONDS)
                    self._receive(this, child, line)
                self._begin_all(this)
        _raise_if_stopped(signals)
        return [this.ended[number] for number in sorted(this.ended)]

    def _begin_all(self, this: _Round) -> None:
        while this.may_begin:
            child = self._idle_child()
            if child is None:
                return
            task = this.tasks[this.next_task]
            this.on_event(Begun(job=task.name))
            self._give(child, this.next_task, task)
            this.next_task += 1

    def _give(self, child: _Child, number: int, task: Task) -> None:
        child.task, child.run_dir, child.heard = number, None, False
        with suppress(BrokenPipeError):  # its end arrives in the inbox
            child.send(task)

    def _idle_child(self) -> _Child | None:
        for child in [child for child in self._children if child.task is None]:
            if child.process.poll() is None:
                return child
            # It died with nothing to do; a task given to it would never end.
            self._end(child)
        return self._start() if len(self._children) < self.at_once else None

    def _start(self) -> _Child:
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        process = subprocess.Popen(  # noqa: S603 - ours, or a launcher's own
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=for_child(),
            # Ctrl-C goes to us alone; we pass it on.
            start_new_session=True,
        )
        child = _Child(process, errors)
        child.reader = threading.Thread(target=self._read, args=(child,), daemon=True)
        child.reader.start()
        self._children.append(child)
        return child

    def _read(self, child: _Child) -> None:
        if child.process.stdout is not None:
            for line in child.process.stdout:
                self._inbox.put((child, line))
        self._inbox.put((child, None))

    def _receive(self, this: _Round, child: _Child, line: bytes | None) -> None:
        if child.task is None or child not in self._children:
            return
        if line is None and child.proven and not child.heard and not this.signals.count:
            # It died before it took the task: that is for another to do.
            self._end(child)
            self._give(self._start(), child.task, this.tasks[child.task])
            return
        event = _parsed(line) if line is not None else self._died(this, child)
        if event is None:
            return
        child.heard = True
        if isinstance(event, RunCreated):
            child.run_dir = event.run_dir
        if isinstance(event, RunEnded):
            this.ended[child.task] = event
            child.task, child.proven = None, True
        this.on_event(event)

    def _died(self, this: _Round, child: _Child) -> RunEnded:
        code = child.process.wait()
        child.errors.seek(0)
        tail = child.errors.read()[-2000:].decode(errors="replace").strip().splitlines()
        self._end(child)
        stopped = this.signals.count > 0
        error: TopoqaTrainError = MachineError(
            _why_dead(code),
            details=tail[-5:],
            hint=_OUT_OF_MEMORY if code == -signal.SIGKILL else None,
        )
        if child.task is None:
            raise RuntimeError("a child without a task has no run to end")
        return RunEnded(
            job=this.tasks[child.task].name,
            status="interrupted" if stopped else "failed",
            run_dir=child.run_dir,
            error=InterruptedRunError("stopped at once").to_json() if stopped else error.to_json(),
        )

    def _forward_signals(self, this: _Round) -> None:
        if this.signals.first is None or this.signals.count == this.signals_sent:
            return
        this.signals_sent = this.signals.count
        asked = signal.SIGINT if this.signals.first == signal.SIGINT else signal.SIGTERM
        number = asked if this.signals.count == 1 else signal.SIGKILL
        for child in self._children:
            if child.task is not None:
                _signal(child, number)

    def _end(self, child: _Child) -> None:
        self._children.remove(child)
        if child.process.stdin is not None:
            with suppress(BrokenPipeError):
                child.process.stdin.close()
        try:
            child.process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)
            child.process.wait()
        if child.reader is not None:
            child.reader.join()
        if child.process.stdout is not None:
            child.process.stdout.close()
        child.errors.close()


def _signal(child: _Child, number: int) -> None:
    # The whole group, so that loader workers end with their parent.
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)


def _parsed(line: bytes) -> Event | None:
    try:
        return events.from_line(line)
    except ValidationError:
        return None


def _why_dead(code: int) -> str:
    if code >= 0:
        return f"the training process ended by itself with status {code}"
    name = signal.Signals(-code).name
    return f"the training process was killed ({name})"


def _raise_if_stopped(signals: StopSignals) -> None:
    if signals.first == signal.SIGINT:
        raise InterruptedRunError("interrupted")
    if signals.first is not None:
        raise TerminatedRunError("terminated")
