"""A call in a process of its own that may take just so much memory and time."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 2**20


def within(call: Callable[[], Any], *, mebibytes: int, cpu_seconds: int = 20) -> Any:
    """What `call` returns or raises, from a child that is ended where it takes more than allowed.

    The memory is what the child may take beyond that of this process. A child that waits for
    anything, or ends otherwise than by returning, fails the test.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_the_child(call, writer, mebibytes, cpu_seconds)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    assert answer, f"the child was ended by signal {os.WTERMSIG(status)}"
    kind, value = pickle.loads(answer)
    if kind == "raised":
        raise value
    assert kind == "returned", value
    return value


def _be_the_child(call: Callable[[], Any], writer: int, mebibytes: int, cpu_seconds: int) -> None:
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, used + mebibytes * MIB)
        _limit(resource.RLIMIT_CPU, int(resource.getrusage(resource.RUSAGE_SELF)[0]) + cpu_seconds)
        _limit(resource.RLIMIT_CORE, 0)
        # What waits takes no time of the processor; a busy machine takes many times as long.
        signal.alarm(15 * cpu_seconds)
        answer = _answer(call)
        _limit(resource.RLIMIT_AS, resource.getrlimit(resource.RLIMIT_AS)[1])
        with os.fdopen(writer, "wb") as answers:
            answers.write(answer)
    finally:
        os._exit(0)


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def _answer(call: Callable[[], Any]) -> bytes:
    try:
        return pickle.dumps(("returned", call()))
    except MemoryError:
        return pickle.dumps(("memory", "it took more memory than it may"))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent is to know
        try:
            return pickle.dumps(("raised", error))
        except Exception:  # noqa: BLE001 - not all errors can be handed on
            return pickle.dumps(("trace", traceback.format_exc()))
