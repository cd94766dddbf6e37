"""Loggers of the package, silent until the command line or a run adds handlers."""

from __future__ import annotations

import logging

ROOT = "topoqa_train"

logging.getLogger(ROOT).addHandler(logging.NullHandler())


def get(name: str) -> logging.Logger:
    """Return the logger of the module of that `__name__`."""
    return logging.getLogger(name)
