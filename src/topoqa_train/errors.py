"""Errors of the package; each has an exit status and may have a hint.

All code raises these; only `topoqa_train.cli.main` converts them to text. Any other exception that
reaches it is shown as an internal error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

# A damaged file can have thousands of problems; the message of an error stays readable.
_MOST_PROBLEMS = 50
_LONGEST_KEY = 120


class TopoqaTrainError(Exception):
    """Base class of all errors that are reported to the user.

    `message` is what happened, `details` are further lines (where, which), `hint` is what to do.
    """

    exit_status: ClassVar[int] = 1

    def __init__(
        self, message: str, *, details: Sequence[str] = (), hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)
        self.hint = hint

    def to_json(self) -> dict[str, Any]:
        """Return the error as plain types, to pass it to another process."""
        return {
            "exit_status": self.exit_status,
            "message": self.message,
            "details": list(self.details),
            "hint": self.hint,
        }


class RequestError(TopoqaTrainError):
    """The request is wrong: config, manifest, data, missing file, unknown option."""

    exit_status = 2


class DataError(RequestError):
    """Labels, graphs or structures cannot be used as they are."""


@dataclass(frozen=True)
class Problem:
    """One error in a file or an override; `line` counts from 1 and is None if it is not known."""

    message: str
    key: str | None = None
    line: int | None = None
    file: Path | None = None

    def __str__(self) -> str:
        """Return `file:line: key: message`, without the parts that are not known."""
        line = None if self.line is None else f"line {self.line}"
        place = line if self.file is None else shown_path(self.file)
        if self.file is not None and self.line is not None:
            place = f"{place}:{self.line}"
        key = self.key or ""
        if len(key) > _LONGEST_KEY:
            key = f"{key[: _LONGEST_KEY - 3]}..."
        return ": ".join(part for part in (place, key, self.message) if part)


class ConfigError(RequestError):
    """A config, manifest or override is not valid; holds every problem found."""

    def __init__(
        self, message: str, problems: Sequence[Problem] = (), *, hint: str | None = None
    ) -> None:
        lines = [str(problem) for problem in problems[:_MOST_PROBLEMS]]
        if len(problems) > _MOST_PROBLEMS:
            lines.append(f"and {len(problems) - _MOST_PROBLEMS} more")
        # A single problem may be the whole message.
        super().__init__(message, details=[] if lines == [message] else lines, hint=hint)
        self.problems = tuple(problems)


class MachineError(TopoqaTrainError):
    """The machine failed: no disk space, no memory, an I/O error."""


class TrainingError(TopoqaTrainError):
    """A training failed."""


class InterruptedRunError(TopoqaTrainError):
    """Stopped by the user (SIGINT)."""

    exit_status = 130


class TerminatedRunError(TopoqaTrainError):
    """Stopped by SIGTERM or by the loss of the terminal (SIGHUP)."""

    exit_status = 143


def from_json(document: Mapping[str, Any]) -> TopoqaTrainError:
    """Restore an error from `to_json`; its class follows from the exit status."""
    # The receiver needs only the exit status, and may not have the plugin that raised the error.
    by_status: dict[int, type[TopoqaTrainError]] = {
        2: RequestError,
        130: InterruptedRunError,
        143: TerminatedRunError,
    }
    kind = by_status.get(int(document.get("exit_status", 1)), TrainingError)
    return kind(
        str(document.get("message", "unknown error")),
        details=[str(line) for line in document.get("details") or ()],
        hint=document.get("hint"),
    )


def combine_errors(failed: Sequence[tuple[str, RequestError]]) -> RequestError:
    """Return one error for pairs of job name and error; errors with equal messages appear once."""
    first_of = {error.message: error for _, error in reversed(failed)}
    jobs: dict[str, list[str]] = {}
    for name, error in failed:
        jobs.setdefault(error.message, []).append(name)
    needed_by = {
        message: f"needed by {'job' if len(names) == 1 else 'jobs'} {', '.join(names)}"
        for message, names in jobs.items()
    }
    if len(jobs) == 1:
        ((message, error),) = first_of.items()
        return RequestError(message, details=[*error.details, needed_by[message]], hint=error.hint)
    lines: list[str] = []
    for message, last_line in needed_by.items():
        lines += [message, *(f"  {line}" for line in (*first_of[message].details, last_line))]
    hints = dict.fromkeys(first_of[message].hint or "" for message in jobs)
    return RequestError(
        "the jobs can't be started", details=lines, hint="\n".join(filter(None, hints)) or None
    )


def shown_path(path: Path, here: Path | None = None) -> str:
    """Return `path` as users read it: relative to `here` (the working directory) if below it."""
    try:
        return str(path.absolute().relative_to(here or Path.cwd()))
    except (ValueError, OSError):
        return str(path)
