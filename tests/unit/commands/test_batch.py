from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.workflows import batch as workflow
from topoqa_train.workflows.batch import BatchRequest, Only

Call = Callable[..., tuple[int, list[BatchRequest]]]


@pytest.fixture
def call(up_to: Any) -> Call:
    return partial(up_to((workflow, "plan_batch")), "batch")


def test_every_option_reaches_the_request(call: Call) -> None:
    options = "-m m.yaml -o shared.notes=n -o trainer.num_epochs=3 -j 2 --continue-on-error"
    options += " --resume --fast-dev-run --output-root out"
    status, (request,) = call(*options.split())
    assert status == 0
    assert request.manifest == Path("m.yaml")
    assert [(o.key, o.value) for o in request.overrides] == [
        ("shared.notes", "n"),
        ("trainer.num_epochs", 3),
    ]
    assert (request.jobs, request.keep_going, request.resume) == (2, True, True)
    assert (request.options.fast_dev_run, request.output_root) == (True, Path("out"))


@pytest.mark.parametrize(
    ("arguments", "keep_going", "only"),
    [
        ((), None, None),
        (("--continue-on-error",), True, None),
        (("--stop-on-error",), False, None),
        *((("--only", only), None, only) for only in Only),
    ],
)
def test_the_manifest_decides_what_no_option_does(
    call: Call, arguments: tuple[str, ...], keep_going: bool | None, only: Only | None
) -> None:
    _, (request,) = call(*arguments)
    assert request.keep_going is keep_going
    assert (request.only, request.manifest.name) == (only, "run_core.yaml")


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("--only", "some"), "some"),
        (("-j", "0"), "--jobs"),
        (("-x",), "-x"),
        (("--continue-on-error", "--stop-on-error"), "not both"),
    ],
)
def test_a_wrong_request_reaches_nothing(
    call: Call, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], key: str
) -> None:
    assert call(*arguments) == (2, [])
    assert key in capsys.readouterr().err
