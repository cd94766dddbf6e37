"""The two consoles: standard output for results, standard error for everything else."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from topoqa_train.errors import TopoqaTrainError

# Rich assumes 80 columns where there is no terminal; a log or a pipe has no such limit, and tables
# must not be cut there.
PLAIN_WIDTH = 200
# Control characters except tabs and line ends, and marks that change the reading direction: a run's
# or a file's name must not be able to clear the screen or set the window's title.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class _GuardedStream:
    """A stream that passes its OSErrors to a function."""

    def __init__(self, stream: TextIO, handle: Callable[[OSError], None]) -> None:
        self._stream = stream
        self._handle = handle

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError as error:
            self._handle(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._handle(error)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of a stream
        return getattr(self._stream, name)


def _ignore(error: OSError) -> None:
    """Drop what can't be written to standard error: a training outlives its terminal."""
    del error


def _raise_as_broken_pipe(error: OSError) -> None:
    """Treat a terminal that was closed like a pipe that was closed."""
    if error.errno == errno.EIO:
        raise BrokenPipeError(errno.EPIPE, "the terminal is closed") from error
    raise error


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
    # A pipe that is closed already raises BrokenPipeError. What can't be written to standard error
    # is dropped, but results that can't be written are an error.
    results: Any = _GuardedStream(stdout, _raise_as_broken_pipe) if stdout.isatty() else stdout
    guarded: Any = _GuardedStream(stderr, _ignore)
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
    # Created for each use: the streams may be replaced at any time (guards, pytest).
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
