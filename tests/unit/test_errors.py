from __future__ import annotations

import json
from pathlib import Path

import pytest

from topoqa_train import errors
from topoqa_train.errors import (
    ConfigError,
    DataError,
    InterruptedRunError,
    MachineError,
    Problem,
    RequestError,
    TerminatedRunError,
    TopoqaTrainError,
    TrainingError,
)
from topoqa_train.plugins.discovery import PluginError

STATUSES = {
    TopoqaTrainError: 1,
    MachineError: 1,
    TrainingError: 1,
    RequestError: 2,
    DataError: 2,
    PluginError: 2,
    InterruptedRunError: 130,
    TerminatedRunError: 143,
}


@pytest.mark.parametrize(("kind", "status"), STATUSES.items(), ids=lambda value: str(value))
def test_an_error_keeps_its_promised_exit_status_across_processes(
    kind: type[TopoqaTrainError], status: int
) -> None:
    error = kind("too few", details=["a: 1", "ß: 2"], hint="Build them.")
    back = errors.from_json(json.loads(json.dumps(error.to_json())))
    assert isinstance(error, TopoqaTrainError)
    assert (back.message, back.details, back.hint) == ("too few", ("a: 1", "ß: 2"), "Build them.")
    assert back.exit_status == error.exit_status == status
    assert str(back) == "too few"


@pytest.mark.parametrize("document", [{}, {"exit_status": 77, "details": None}])
def test_a_document_of_another_version_still_gives_an_error(document: dict[str, object]) -> None:
    back = errors.from_json(document)
    assert isinstance(back, TrainingError)
    assert back.message
    assert back.details == ()


def test_a_problem_names_file_line_and_key() -> None:
    problems = [
        Problem("should be a number", "optimizer.learning_rate", 14, Path("x.yaml")),
        Problem("unknown section", "optimiser", 121),
        Problem("is empty", file=Path("x.yaml").absolute()),
    ]
    error = ConfigError("x.yaml is not a valid config", problems)
    assert error.exit_status == 2
    assert error.problems == tuple(problems)
    assert error.details == (
        "x.yaml:14: optimizer.learning_rate: should be a number",
        "line 121: optimiser: unknown section",
        "x.yaml: is empty",
    )


def test_long_keys_and_long_lists_are_shortened() -> None:
    details = ConfigError("x", [Problem("no", "k" * 300, n) for n in range(60)]).details
    assert max(map(len, details)) < 150
    assert (len(details), details[-1]) == (51, "and 10 more")


def test_equal_errors_of_several_jobs_appear_once() -> None:
    failed = [(name, DataError("no graphs", details=["a"], hint="Go")) for name in "xy"]
    error = errors.combine_errors(failed)
    assert (error.message, error.hint, error.exit_status) == ("no graphs", "Go", 2)
    assert error.details == ("a", "needed by jobs x, y")


def test_different_errors_of_several_jobs_all_appear() -> None:
    error = errors.combine_errors(
        [
            ("x", DataError("no graphs", details=["in g"], hint="Build.")),
            ("y", RequestError("no labels", hint="Write.")),
            ("z", DataError("no graphs", details=["in g"], hint="Build.")),
        ]
    )
    assert list(error.details) == [
        "no graphs",
        "  in g",
        "  needed by jobs x, z",
        "no labels",
        "  needed by job y",
    ]
    assert error.hint == "Build.\nWrite."
