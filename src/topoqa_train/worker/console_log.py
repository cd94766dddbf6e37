"""`training_console.log`: everything that the trainer and the libraries under it print."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topoqa_train import atomic
from topoqa_train.launch.environment import CHILD_VARIABLE
from topoqa_train.log import ROOT as LOG_ROOT

_LIGHTNING = ("lightning.pytorch", "lightning.fabric")
_LOGGERS = (LOG_ROOT, *_LIGHTNING, "py.warnings")


def quiet_lightning() -> None:
    """Show only Lightning's warnings outside a run's log.

    Its recommendations would push the last words of a process that dies out of the error message.
    """
    for name in _LIGHTNING:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def console_log(path: Path) -> Iterator[None]:
    """Send everything this process prints, even from C, to `path` until the block ends.

    With the in-process launcher only log messages go there: see `_descriptors_to`.
    """
    with atomic.translate_disk_full(path):
        file = path.open("ab", buffering=0)
    with file, _descriptors_to(file.fileno()), _loggers_to(file.fileno()):
        yield


@contextmanager
def _loggers_to(target: int) -> Iterator[None]:
    """Send log messages to `target` only: Lightning's own handlers would repeat them."""
    stream = open(os.dup(target), "w", encoding="utf-8", errors="replace")  # noqa: SIM115, PTH123
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger, logger.level, logger.handlers) for logger in loggers]
    logging.captureWarnings(True)
    for logger in loggers:
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, level, handlers in before:
            logger.handlers = handlers
            logger.setLevel(level)
        stream.close()


@contextmanager
def _descriptors_to(target: int) -> Iterator[None]:
    # Only in a child, where nothing else uses the descriptors: the process of the in-process
    # launcher may have a terminal or a test runner on them.
    if not os.environ.get(CHILD_VARIABLE):
        yield
        return
    kept = [(number, os.dup(number)) for number in (1, 2)]
    try:
        for number, _ in kept:
            os.dup2(target, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
