"""The two consoles: standard output for results, standard error for everything else."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from topoqa_train.errors import TopoqaTrainError

PLAIN_WIDTH = 200
# Control characters except tabs and line ends, and marks that change the reading direction: a run's
# or a file's name must not be able to clear the screen or set the window's title.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class _Stream:
    """A stream whose reader may disappear."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._reader_may_be_gone():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._reader_may_be_gone():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a stream
        return getattr(self._stream, name)

    def _reader_may_be_gone(self) -> AbstractContextManager[None]:
        raise NotImplementedError


class _StandardError(_Stream):
    """Standard error that drops what can't be written: a training outlives its terminal."""

    def _reader_may_be_gone(self) -> AbstractContextManager[None]:
        return suppress(OSError)


class _TerminalOutput(_Stream):
    """A terminal as standard output; closing it has the effect of a closed pipe."""

    @contextmanager
    def _reader_may_be_gone(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise BrokenPipeError(errno.EPIPE, "the terminal is closed") from error


def guard_streams() -> None:
    """Open descriptors 0 to 2 if they are closed, and wrap both output streams.

    The next file to be opened would otherwise get a closed stream's descriptor, and whatever a
    library prints would go into that file.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(free, True)
    os.close(free)
    stdout, stderr = (
        stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        for stream in (sys.stdout, sys.stderr)
    )
    guarded: Any = stderr if isinstance(stderr, _StandardError) else _StandardError(stderr)
    results: Any = _TerminalOutput(stdout) if stdout.isatty() else stdout
    sys.stdout, sys.stderr = results, guarded


class _SafeConsole(Console):
    """A console that escapes control characters in text, but not its own codes."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Render as `Console.render` does, with control characters escaped."""
        for segment in super().render(renderable, options):
            if segment.control or not _CONTROL.search(segment.text):
                yield segment
            else:
                yield Segment(_CONTROL.sub(_escaped, segment.text), segment.style)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


def out() -> Console:
    """Return the console for results. In a pipe it is wide enough for every column."""
    return _console(stderr=False)


def err() -> Console:
    """Return the console for progress, warnings and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    # Names of files and runs are printed literally: `x.yaml:100:` is no emoji, `[a]` no style.
    return _SafeConsole(
        stderr=stderr, width=width, highlight=False, soft_wrap=False, markup=False, emoji=False
    )


def is_live(console: Console) -> bool:
    """Return whether a display that redraws itself can be shown on `console`."""
    return console.is_terminal and not console.is_dumb_terminal


def notify(text: str) -> None:
    """Print one line on standard error, without wrapping or markup."""
    err().print(text, soft_wrap=True)


def show_error(error: TopoqaTrainError) -> None:
    """Print the message, details and hint of `error` on standard error."""
    colon = ":" if error.details and not error.message.endswith((":", ".", "?")) else ""
    lines = [
        Text(f"{error.message}{colon}", style="bold red"),
        *(Text(f"  {line}") for line in error.details),
        *([Text(error.hint)] if error.hint else []),
    ]
    for line in lines:
        err().print(line, soft_wrap=True)


class _WarningHandler(logging.Handler):
    """Prints each record as one line on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        notify(record.getMessage())


def show_warnings(logger: logging.Logger) -> None:
    """Print warnings of `logger` on standard error. Calling it twice has no further effect."""
    if not any(isinstance(handler, _WarningHandler) for handler in logger.handlers):
        logger.addHandler(_WarningHandler(logging.WARNING))
