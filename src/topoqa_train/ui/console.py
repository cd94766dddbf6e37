"""The two consoles: standard output for results, standard error for people."""

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

PLAIN_WIDTH = 200
# Control characters but line ends and tabs, and marks that change the direction of reading.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class _Stream:
    """Another stream, which whoever reads it may leave."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, words: str) -> int:
        with self._left():
            self._stream.write(words)
        return len(words)

    def flush(self) -> None:
        with self._left():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a stream has
        return getattr(self._stream, name)

    def _left(self) -> AbstractContextManager[None]:
        raise NotImplementedError


class _Words(_Stream):
    """What is said to nobody is lost, and nothing else: the work goes on."""

    def _left(self) -> AbstractContextManager[None]:
        return suppress(OSError)


class _Results(_Stream):
    """A terminal that was closed is a reader that left."""

    @contextmanager
    def _left(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise BrokenPipeError(errno.EPIPE, "the terminal is gone") from error


def keep_streams() -> None:
    """Have descriptors for all three streams, and streams that can do without a reader.

    A descriptor that was closed before the start would be given to the next file that is opened,
    and what a library prints would go into it.
    """
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(free, True)
    os.close(free)
    stdout, stderr = (
        stream or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        for stream in (sys.stdout, sys.stderr)
    )
    words: Any = stderr if isinstance(stderr, _Words) else _Words(stderr)
    results: Any = _Results(stdout) if stdout.isatty() else stdout
    sys.stdout, sys.stderr = results, words


class _Harmless(Console):
    """Shows what in a name or message would command the terminal, or turn the text round."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """As Rich does, with the words of others made visible; its own codes are no text."""
        for segment in super().render(renderable, options):
            if segment.control or not _COMMANDS.search(segment.text):
                yield segment
            else:
                yield Segment(_COMMANDS.sub(_escaped, segment.text), segment.style)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found.group()):04x}"


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
    return _Harmless(
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
