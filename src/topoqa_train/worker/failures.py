"""Errors of a task: as errors of this project, and in the files of the run."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from topoqa_train import atomic
from topoqa_train.clock import Clock, iso
from topoqa_train.errors import (
    InterruptedRunError,
    MachineError,
    TerminatedRunError,
    TopoqaTrainError,
    TrainingError,
)
from topoqa_train.runs.metadata import MetadataFile
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.status import Status

log = logging.getLogger(__name__)
# Python, torch and CUDA phrase it differently.
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "bad_alloc")


@contextmanager
def recorded(record: MetadataFile, paths: RunPaths, clock: Clock) -> Iterator[None]:
    """Write an error inside to the run's files, then raise it as an error of this project.

    The disk may be what failed, so no write may hide the error: each is tried by itself.
    """
    try:
        yield
    except (InterruptedRunError, TerminatedRunError) as error:
        # If this write fails, readers still derive 'interrupted' from the dead process.
        with suppress(OSError, TopoqaTrainError):
            record.update(status=Status.INTERRUPTED, error=error.to_json())
        log.warning("%s", error.message)
        raise
    except Exception as error:
        trace = traceback.format_exc()
        log.error("%s", trace)  # noqa: TRY400 - the trace goes to the log as text, once
        known = as_run_error(error) or TrainingError(
            f"the training failed: {type(error).__name__}: {error}",
            hint="The trace is in error.txt of the run.",
        )
        with suppress(OSError, TopoqaTrainError):
            record.update(status=Status.FAILED, error=known.to_json(), completed=iso(clock.now()))
        with suppress(OSError, TopoqaTrainError):
            atomic.write_text(paths.error, trace)
        raise known from error


def as_run_error(error: Exception) -> TopoqaTrainError | None:
    """Return a known error as one of this project, None for any other.

    The request was checked before the run, so an error of the system is the machine's.
    """
    if isinstance(error, TopoqaTrainError):
        return error
    text = str(error)
    if isinstance(error, MemoryError) or any(words in text.lower() for words in _OUT_OF_MEMORY):
        return TrainingError(
            "out of memory",
            details=text.splitlines()[:1],
            hint="A smaller dataloader.batch_size, or fewer jobs at once (--jobs), needs less.",
        )
    if isinstance(error, OSError):
        known = atomic.as_project_error(error)
        return MachineError(known.message, details=known.details, hint=known.hint)
    return None


def as_task_error(error: Exception, *, in_run: bool) -> TopoqaTrainError:
    """Return the error of a task; without a run, a missing file is a wrong request."""
    if isinstance(error, OSError) and not in_run:
        return atomic.as_project_error(error)
    return as_run_error(error) or TrainingError(
        f"this is a bug: {type(error).__name__}: {error}",
        details=traceback.format_exception(error)[-2].strip().splitlines(),
        hint="Please report it.",
    )
