"""The environment variables of `pipeline` and `fine-tune`, one by one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train import cli
from topoqa_train.workflows import pipeline as workflow
from topoqa_train.workflows.pipeline import FINE_TUNE, PIPELINE, PipelineRequest

VARIABLES = (
    *("PIPELINE_MANIFEST", "SKIP_SWEEP", "SKIP_FINE", "RESUME_FROM"),
    *("GRAPH_DIR", "NUM_WORKERS_OVERRIDE"),
)
Call = Callable[..., tuple[int, PipelineRequest | None]]


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Call:
    """`topoqa-train pipeline`, up to what it calls: the exit status and the request."""
    monkeypatch.chdir(tmp_path)
    for name in (*VARIABLES, cli.DEBUG_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    given: list[PipelineRequest] = []

    def take(request: PipelineRequest, *_: object) -> Any:
        given.append(request)
        raise SystemExit(0)

    monkeypatch.setattr(workflow, "plan_pipeline", take)

    def _call(
        *arguments: str, command: str = "pipeline", **variables: str
    ) -> tuple[int, PipelineRequest | None]:
        given.clear()
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", [cli.PROGRAM, command, *arguments])
        status = cli._status()
        return status, given[0] if given else None

    return _call


def asked(call: Call, *arguments: str, **options: str) -> PipelineRequest:
    status, request = call(*arguments, **options)
    assert status == 0
    assert request is not None
    return request


def set_over(request: PipelineRequest) -> dict[str, Any]:
    """What holds of each key, the last one said."""
    return {override.key: override.value for override in request.overrides}


def test_without_any_nothing_is_switched(call: Call) -> None:
    request = asked(call)
    assert (request.kind, request.manifest.name) == (PIPELINE, "run_core.yaml")
    assert (request.skip_sweep, request.skip_fine, request.resume_from) == (False, False, None)
    assert (request.overrides, request.metric, request.resume) == ((), None, False)


@pytest.mark.parametrize("name", ["SKIP_SWEEP", "SKIP_FINE"])
class TestSkips:
    def value(self, request: PipelineRequest, name: str) -> bool:
        return bool(getattr(request, name.lower()))

    @pytest.mark.parametrize("text", ["1", "true", "yes", "on", "TRUE"])
    def test_on(self, call: Call, name: str, text: str) -> None:
        assert self.value(asked(call, **{name: text}), name)

    @pytest.mark.parametrize("text", ["0", "", "false", "no", "off"])
    def test_off(self, call: Call, name: str, text: str) -> None:
        assert not self.value(asked(call, **{name: text}), name)

    @pytest.mark.parametrize("text", ["maybe", "2", "yes please"])
    def test_nonsense_is_refused_by_the_variable_s_name(
        self, call: Call, capsys: pytest.CaptureFixture[str], name: str, text: str
    ) -> None:
        assert call(**{name: text}) == (2, None)
        assert name in capsys.readouterr().err

    def test_the_command_line_wins(self, call: Call, name: str) -> None:
        option = name.lower().replace("_", "-")
        assert not self.value(asked(call, f"--no-{option}", **{name: "1"}), name)
        assert self.value(asked(call, f"--{option}", **{name: "0"}), name)


@pytest.mark.parametrize(
    ("variable", "option", "read"),
    [
        ("PIPELINE_MANIFEST", "--manifest", lambda request: str(request.manifest)),
        ("RESUME_FROM", "--resume-from", lambda request: str(request.resume_from)),
        ("GRAPH_DIR", "--graph-dir", lambda request: set_over(request)["paths.graph"]),
    ],
)
class TestPaths:
    def test_it_is_taken(self, call: Call, variable: str, option: str, read: Any) -> None:
        assert read(asked(call, **{variable: "a/b.x"})) == "a/b.x"

    def test_the_command_line_wins(self, call: Call, variable: str, option: str, read: Any) -> None:
        assert read(asked(call, option, "mine", **{variable: "theirs"})) == "mine"

    def test_empty_is_as_good_as_none(
        self, call: Call, variable: str, option: str, read: Any
    ) -> None:
        assert asked(call, **{variable: ""}) == asked(call)


class TestNumWorkers:
    def test_it_is_taken(self, call: Call) -> None:
        assert set_over(asked(call, NUM_WORKERS_OVERRIDE="2")) == {"dataloader.num_workers": 2}
        assert set_over(asked(call, NUM_WORKERS_OVERRIDE="0")) == {"dataloader.num_workers": 0}

    def test_the_command_line_wins(self, call: Call) -> None:
        request = asked(call, "--num-workers", "1", NUM_WORKERS_OVERRIDE="2")
        assert set_over(request) == {"dataloader.num_workers": 1}

    def test_empty_is_as_good_as_none(self, call: Call) -> None:
        assert asked(call, NUM_WORKERS_OVERRIDE="").overrides == ()

    @pytest.mark.parametrize("text", ["two", "-1", "1.5"])
    def test_nonsense_is_refused_by_its_name(
        self, call: Call, capsys: pytest.CaptureFixture[str], text: str
    ) -> None:
        assert call(NUM_WORKERS_OVERRIDE=text) == (2, None)
        assert "NUM_WORKERS_OVERRIDE" in capsys.readouterr().err


def test_of_one_key_what_the_command_line_sets_wins_over_a_variable(call: Call) -> None:
    request = asked(
        call,
        *("-o", "paths.graph=mine", "-o", "dataloader.num_workers=0"),
        GRAPH_DIR="theirs",
        NUM_WORKERS_OVERRIDE="2",
    )
    assert set_over(request) == {"paths.graph": "mine", "dataloader.num_workers": 0}
    assert [override.origin for override in request.overrides[:2]] == [
        "--graph-dir or GRAPH_DIR",
        "--num-workers or NUM_WORKERS_OVERRIDE",
    ]


def test_fine_tune_hears_those_that_mean_something_to_it(call: Call) -> None:
    request = asked(
        call,
        command="fine-tune",
        PIPELINE_MANIFEST="m.yaml",
        GRAPH_DIR="g",
        NUM_WORKERS_OVERRIDE="1",
        SKIP_SWEEP="nonsense",
        RESUME_FROM="w.ckpt",
    )
    assert (request.kind, request.manifest, request.resume_from) == (
        FINE_TUNE,
        Path("m.yaml"),
        None,
    )
    assert set_over(request) == {"paths.graph": "g", "dataloader.num_workers": 1}
    assert (request.skip_sweep, request.skip_fine) == (True, False)


def test_every_other_option_of_fine_tune_reaches_the_request(call: Call) -> None:
    options = "--checkpoint w.ckpt --run-dir r --jobs 2 --resume --output-root out"
    request = asked(call, *options.split(), command="fine-tune")
    assert (request.resume_from, request.run_dir) == (Path("w.ckpt"), Path("r"))
    assert (request.jobs, request.resume, request.output_root) == (2, True, Path("out"))
    assert asked(call, "--metric", "val_pearson_corr", command="fine-tune").metric == (
        "val_pearson_corr"
    )
