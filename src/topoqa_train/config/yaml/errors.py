"""All problems of a file as one error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from topoqa_train.errors import ConfigError, Problem, shown_path


def invalid(source: Path, kind: str, problems: Sequence[Problem]) -> ConfigError:
    """Return the error for all problems of a `kind` ('config', 'manifest'), each listed once.

    Problems of `source` come first, by line, then those of other files, then those of overrides.
    The problem of a single override is the whole message.
    """
    unique = sorted(dict.fromkeys(problems), key=lambda problem: _order(problem, source))
    if any(problem.file is not None for problem in unique):
        return ConfigError(f"{shown_path(source)} is not a valid {kind}:", unique)
    if len(unique) == 1:
        return ConfigError(str(unique[0]), unique)
    return ConfigError(f"these overrides of {shown_path(source)} are not valid:", unique)


def _order(problem: Problem, source: Path) -> tuple[int, str, int]:
    if problem.file is None:
        return (2, "", 0)
    return (int(problem.file != source), str(problem.file), problem.line or 0)
