"""What a `ConfigError` says: where each fault stands, in columns, in our words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from topoqa_train.config.yaml.scalars import shorten
from topoqa_train.errors import ConfigError, Problem

_WIDEST = 40
_MOST = 50
_LONGEST_KEY = 120


def shown(path: Path) -> str:
    """`path` for people: relative to the working directory where it lies below it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def invalid(source: Path, kind: str, problems: Sequence[Problem]) -> ConfigError:
    """All faults of a `kind` ('config', 'manifest') as one error, each said once.

    Faults of `source` come first, by line; those of other files carry their name; an override that
    is at fault alone is the whole message.
    """
    unique = sorted(dict.fromkeys(problems), key=lambda problem: _order(problem, source))
    outside = [problem for problem in unique if problem.file is None]
    if len(unique) == len(outside) == 1:
        error = ConfigError(_sentence(unique[0]), unique)
        error.details = ()
        return error
    if len(unique) == len(outside):
        message = f"these overrides of {shown(source)} are not valid:"
    else:
        message = f"{shown(source)} is not a valid {kind}:"
    error = ConfigError(message, unique)
    error.details = tuple(_rows(unique[:_MOST], source))
    if len(unique) > _MOST:
        error.details += (f"and {len(unique) - _MOST} more",)
    return error


def _order(problem: Problem, source: Path) -> tuple[int, str, int]:
    if problem.file is None:
        return (2, "", 0)
    return (int(problem.file != source), str(problem.file), problem.line or 0)


def _rows(problems: Sequence[Problem], source: Path) -> list[str]:
    inside = [problem for problem in problems if problem.file is not None]
    places = [_place(problem, source) for problem in inside]
    wide_place = max((len(place) for place in places), default=0)
    wide_key = min(max((len(_key(problem)) for problem in inside), default=0), _WIDEST)
    rows = []
    for place, problem in zip(places, inside, strict=True):
        cells = (place.ljust(wide_place), _key(problem).ljust(wide_key), problem.message)
        rows.append("  ".join(cell for cell in cells if cell))
    return rows + [_sentence(problem) for problem in problems if problem.file is None]


def _place(problem: Problem, source: Path) -> str:
    if problem.file == source:
        return "" if problem.line is None else f"line {problem.line}"
    name = shown(problem.file) if problem.file else ""
    return name if problem.line is None else f"{name}:{problem.line}"


def _sentence(problem: Problem) -> str:
    return f"{_key(problem)}: {problem.message}" if problem.key else problem.message


def _key(problem: Problem) -> str:
    """The key as it was written, or the start of one that nobody would read."""
    return shorten(problem.key or "", _LONGEST_KEY)
