"""Loggers of the package: silent until the command line or a run asks for them."""

from __future__ import annotations

import logging

ROOT = "topoqa_train"

logging.getLogger(ROOT).addHandler(logging.NullHandler())


def get(name: str) -> logging.Logger:
    """The logger of a module; `name` is its `__name__`."""
    return logging.getLogger(name)
