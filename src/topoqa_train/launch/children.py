"""Jobs in child processes that stay alive: torch is loaded once per child, not once per job.

A child reads tasks from its standard input, one JSON line each, and writes events to its standard
output in the same form. The end of its input tells it that the parent is gone.
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
from typing import IO, ClassVar, Self

from pydantic import ValidationError

from topoqa_train.errors import InterruptedRunError, MachineError, TerminatedRunError
from topoqa_train.launch import job as jobs
from topoqa_train.launch.base import OnEvent
from topoqa_train.launch.environment import for_child
from topoqa_train.launch.job import Task
from topoqa_train.launch.signals import StopSignals, caught
from topoqa_train.runs import events
from topoqa_train.runs.events import Begun, Event, RunCreated, RunEnded

# A signal does not wake a waiting queue, so it is looked at this often.
_POLL_SECONDS = 0.2
_END_SECONDS = 10.0
# The kernel's out-of-memory killer sends SIGKILL.
_OUT_OF_MEMORY = "Out of memory? Fewer jobs at once (--jobs 1) or a smaller batch may help."


@dataclass(eq=False)
class _Child:
    """One process and its present task.

    `proven` once it has completed a task; `answered` once it has sent an event of the present one.
    """

    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    task: int | None = None
    run_dir: str | None = None
    proven: bool = False
    answered: bool = False
    reader: threading.Thread | None = field(default=None, repr=False)

    def assign(self, number: int, task: Task) -> None:
        self.task, self.run_dir, self.answered = number, None, False
        assert self.process.stdin is not None  # noqa: S101 - for the type checker: it is a pipe
        with suppress(BrokenPipeError):  # a dead child's end arrives in the inbox
            self.process.stdin.write((jobs.to_line(task) + "\n").encode())
            self.process.stdin.flush()

    def send_signal(self, number: int) -> None:
        # To the whole process group, so that loader workers end with their parent.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


@dataclass
class _Progress:
    """State of one call of `ChildLauncher.run`."""

    tasks: Sequence[Task]
    on_event: OnEvent
    keep_going: bool
    signals: StopSignals
    next_task: int = 0
    signals_sent: int = 0
    ended: dict[int, RunEnded] = field(default_factory=dict)

    @property
    def may_start(self) -> bool:
        failed = any(end.status != "completed" for end in self.ended.values())
        return (
            self.next_task < len(self.tasks)
            and not self.signals.count
            and (self.keep_going or not failed)
        )


class ChildLauncher:
    """A pool of at most `at_once` children.

    A plugin's launcher may prefix `command` with any program that connects these pipes to the
    child's standard input and output, and forwards signals.
    """

    # -P: a file in the working directory must not replace a library.
    command: ClassVar[tuple[str, ...]] = (sys.executable, "-P", "-m", "topoqa_train.worker.child")

    def __init__(self, at_once: int) -> None:
        self.at_once = max(1, at_once)
        self._children: list[_Child] = []
        self._inbox: queue.Queue[tuple[_Child, bytes | None]] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for child in list(self._children):
            self._end(child)

    def run(self, tasks: Sequence[Task], on_event: OnEvent, *, keep_going: bool) -> list[RunEnded]:
        """See `Launcher.run`."""
        with caught() as signals:
            progress = _Progress(tasks, on_event, keep_going, signals)
            self._start_tasks(progress)
            while any(child.task is not None for child in self._children):
                self._forward_signals(progress)
                with suppress(queue.Empty):
                    self._receive(progress, *self._inbox.get(timeout=_POLL_SECONDS))
                self._start_tasks(progress)
        if signals.first == signal.SIGINT:
            raise InterruptedRunError("interrupted")
        if signals.first is not None:
            raise TerminatedRunError("terminated")
        return [progress.ended[number] for number in sorted(progress.ended)]

    def _start_tasks(self, progress: _Progress) -> None:
        while progress.may_start and (child := self._idle_child()) is not None:
            task = progress.tasks[progress.next_task]
            progress.on_event(Begun(job=task.name))
            child.assign(progress.next_task, task)
            progress.next_task += 1

    def _idle_child(self) -> _Child | None:
        for child in [child for child in self._children if child.task is None]:
            if child.process.poll() is None:
                return child
            # It died while idle; a task assigned to it would never end.
            self._end(child)
        return self._start_child() if len(self._children) < self.at_once else None

    def _start_child(self) -> _Child:
        # A file, not a pipe: a full pipe that nobody reads would block the child.
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the child
        process = subprocess.Popen(  # noqa: S603 - this program, or a launcher's own
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=for_child(),
            # In a session of its own it does not get Ctrl-C from the terminal: the parent decides
            # when to forward it.
            start_new_session=True,
        )
        child = _Child(process, errors)
        child.reader = threading.Thread(target=self._read, args=(child,), daemon=True)
        child.reader.start()
        self._children.append(child)
        return child

    def _read(self, child: _Child) -> None:
        for line in child.process.stdout or ():
            self._inbox.put((child, line))
        self._inbox.put((child, None))

    def _receive(self, progress: _Progress, child: _Child, line: bytes | None) -> None:
        if child.task is None or child not in self._children:
            return
        lost = line is None and child.proven and not child.answered
        if lost and not progress.signals.count:
            # It worked before and died before it read this task: another child can do the task. A
            # child that never worked is not replaced, else a broken installation would loop here.
            self._end(child)
            self._start_child().assign(child.task, progress.tasks[child.task])
            return
        event = self._death(progress, child) if line is None else _parsed(line)
        if event is None:
            return
        child.answered = True
        if isinstance(event, RunCreated):
            child.run_dir = event.run_dir
        if isinstance(event, RunEnded):
            progress.ended[child.task] = event
            child.task, child.proven = None, True
        progress.on_event(event)

    def _death(self, progress: _Progress, child: _Child) -> RunEnded:
        """Return how the task of a dead child ended."""
        assert child.task is not None  # noqa: S101 - for the type checker
        code = child.process.wait()
        child.errors.seek(0)
        tail = child.errors.read()[-2000:].decode(errors="replace").strip().splitlines()
        self._end(child)
        stopped = progress.signals.count > 0
        error = MachineError(
            _reason(code),
            details=tail[-5:],
            hint=_OUT_OF_MEMORY if code == -signal.SIGKILL else None,
        )
        return RunEnded(
            job=progress.tasks[child.task].name,
            status="interrupted" if stopped else "failed",
            run_dir=child.run_dir,
            error=(InterruptedRunError("stopped at once") if stopped else error).to_json(),
        )

    def _forward_signals(self, progress: _Progress) -> None:
        signals = progress.signals
        if signals.first is None or signals.count == progress.signals_sent:
            return
        progress.signals_sent = signals.count
        asked = signal.SIGINT if signals.first == signal.SIGINT else signal.SIGTERM
        for child in self._children:
            if child.task is not None:
                child.send_signal(asked if signals.count == 1 else signal.SIGKILL)

    def _end(self, child: _Child) -> None:
        self._children.remove(child)
        with suppress(BrokenPipeError):
            _close(child.process.stdin)
        try:
            child.process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.process.wait()
        if child.reader is not None:
            child.reader.join()
        _close(child.process.stdout)
        child.errors.close()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        pipe.close()


def _parsed(line: bytes) -> Event | None:
    try:
        return events.from_line(line)
    except ValidationError:
        return None


def _reason(code: int) -> str:
    if code >= 0:
        return f"the training process ended by itself with status {code}"
    return f"the training process was killed ({signal.Signals(-code).name})"
