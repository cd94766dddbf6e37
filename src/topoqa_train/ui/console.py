"""The two consoles: standard output for results, standard error for people."""

from __future__ import annotations

import logging
import os
import sys

from rich.console import Console

PLAIN_WIDTH = 200


def out() -> Console:
    """Where results go. Piped, it is wide enough that no table loses a column."""
    return _console(stderr=False)


def err() -> Console:
    """Where progress, warnings and errors go."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    # Names of files and runs are shown as they are: `x.yaml:100:` is no emoji, `[a]` no style.
    return Console(
        stderr=stderr, width=width, highlight=False, soft_wrap=False, markup=False, emoji=False
    )


def is_live(console: Console) -> bool:
    """Whether a display that redraws itself may be shown there."""
    return console.is_terminal and not console.is_dumb_terminal


def say(text: str) -> None:
    """One line for people, on standard error, as it stands."""
    err().print(text, soft_wrap=True)


class _Spoken(logging.Handler):
    """Warnings of the package as lines for people."""

    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())


def say_warnings(logger: logging.Logger) -> None:
    """Show what `logger` warns of on standard error; asked twice, it is shown once."""
    if not any(isinstance(handler, _Spoken) for handler in logger.handlers):
        logger.addHandler(_Spoken(logging.WARNING))
