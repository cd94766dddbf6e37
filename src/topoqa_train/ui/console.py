"""The two consoles: standard output for results, standard error for people."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console

PLAIN_WIDTH = 200


class _Steadfast:
    """Standard error of work that goes on when nobody reads it any more.

    The terminal may be closed, a pipe may have lost its reader: what is said is then lost, and
    nothing else.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, words: str) -> int:
        with suppress(OSError):
            self._stream.write(words)
        return len(words)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self._stream, name)


def keep_streams() -> None:
    """Have descriptors for all three streams, and a standard error that never fails.

    A descriptor that was closed before the start would be given to the next file that is opened,
    and what a library prints would go into it.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(free, True)
    os.close(free)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    steadfast: Any = stderr if isinstance(stderr, _Steadfast) else _Steadfast(stderr)
    sys.stderr = steadfast


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
