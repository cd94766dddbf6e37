from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from topoqa_train import cli
from topoqa_train.workflows import batch as workflow
from topoqa_train.workflows.batch import BatchRequest, Only

Call = Callable[..., tuple[int, BatchRequest | None]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """`topoqa-train batch`, up to what it calls: the exit status and the request."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(cli.DEBUG_VARIABLE, raising=False)
    given: list[BatchRequest] = []

    def take(request: BatchRequest, *_: object) -> None:
        given.append(request)
        raise SystemExit(0)

    monkeypatch.setattr(workflow, "plan_batch", take)

    def _call(*arguments: str) -> tuple[int, BatchRequest | None]:
        given.clear()
        monkeypatch.setattr(sys, "argv", [cli.PROGRAM, "batch", *arguments])
        return cli._status(), given[0] if given else None

    return _call


def test_every_option_reaches_the_request(call: Call) -> None:
    options = "-m m.yaml -o shared.notes=n -o trainer.num_epochs=3 -j 2 --continue-on-error"
    options += " --resume --fast-dev-run --output-root out"
    status, request = call(*options.split())
    assert status == 0
    assert request is not None
    assert request.manifest == Path("m.yaml")
    assert [(o.key, o.value) for o in request.overrides] == [
        ("shared.notes", "n"),
        ("trainer.num_epochs", 3),
    ]
    assert (request.jobs, request.keep_going, request.resume) == (2, True, True)
    assert (request.options.fast_dev_run, request.output_root) == (True, Path("out"))


@pytest.mark.parametrize(
    ("arguments", "keep_going"),
    [((), None), (("--continue-on-error",), True), (("--stop-on-error",), False)],
)
def test_the_manifest_may_decide_whether_to_continue(
    call: Call, arguments: tuple[str, ...], keep_going: bool | None
) -> None:
    _, request = call(*arguments)
    assert request is not None
    assert request.keep_going is keep_going
    assert (request.only, request.manifest.name) == (None, "run_core.yaml")


@pytest.mark.parametrize("only", list(Only))
def test_which_jobs_only(call: Call, only: Only) -> None:
    _, request = call("--only", only)
    assert request is not None
    assert request.only is only


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "some"), "some"),
        (("-j", "0"), "--jobs"),
        (("-x",), "-x"),
        (("--continue-on-error", "--stop-on-error"), "not both"),
    ],
)
def test_a_wrong_request_reaches_nothing(
    call: Call, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert call(*arguments) == (2, None)
    assert said in capsys.readouterr().err
