"""The environment variables of `pipeline` and `fine-tune`, one by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.workflows import pipeline as workflow
from topoqa_train.workflows.pipeline import FINE_TUNE, PIPELINE, PipelineRequest

VARIABLES = (
    *("PIPELINE_MANIFEST", "SKIP_SWEEP", "SKIP_FINE", "RESUME_FROM"),
    *("GRAPH_DIR", "NUM_WORKERS_OVERRIDE"),
)
Call = Callable[..., tuple[int, list[PipelineRequest]]]


@pytest.fixture
def call(up_to: Any, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`topoqa-train pipeline` with these options and variables: exit status and request."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    typed = up_to((workflow, "plan_pipeline"))

    def _call(*arguments: str, command: str = "pipeline", **variables: str) -> Any:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return typed(command, *arguments)

    return _call


def asked(call: Call, *arguments: str, **options: str) -> PipelineRequest:
    status, (request,) = call(*arguments, **options)
    assert status == 0
    return request


def set_over(request: PipelineRequest) -> dict[str, Any]:
    """The value of each key; the last one wins."""
    return {override.key: override.value for override in request.overrides}


def test_the_defaults(call: Call) -> None:
    request = asked(call)
    assert (request.kind, request.manifest.name) == (PIPELINE, "run_core.yaml")
    assert (request.skip_sweep, request.skip_fine, request.resume_from) == (False, False, None)
    assert (request.overrides, request.metric, request.resume) == ((), None, False)


@pytest.mark.parametrize("name", ["SKIP_SWEEP", "SKIP_FINE"])
class TestSkips:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            *((text, True) for text in ("1", "true", "yes", "on", "TRUE")),
            *((text, False) for text in ("0", "", "false", "no", "off")),
        ],
    )
    def test_on_and_off(self, call: Call, name: str, text: str, value: bool) -> None:
        assert getattr(asked(call, **{name: text}), name.lower()) is value

    def test_the_command_line_wins(self, call: Call, name: str) -> None:
        option = name.lower().replace("_", "-")
        assert not getattr(asked(call, f"--no-{option}", **{name: "1"}), name.lower())
        assert getattr(asked(call, f"--{option}", **{name: "0"}), name.lower())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("SKIP_SWEEP", text) for text in ("maybe", "2", "yes please")),
        ("SKIP_FINE", "maybe"),
        *(("NUM_WORKERS_OVERRIDE", text) for text in ("two", "-1", "1.5")),
    ],
)
def test_nonsense_is_refused_by_the_variable_s_name(
    call: Call, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    assert call(**{name: text}) == (2, [])
    assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "option", "read"),
    [
        ("PIPELINE_MANIFEST", "--manifest", lambda request: str(request.manifest)),
        ("RESUME_FROM", "--resume-from", lambda request: str(request.resume_from)),
        ("GRAPH_DIR", "--graph-dir", lambda request: set_over(request)["paths.graph"]),
    ],
)
def test_a_path_is_taken_unless_it_is_empty_or_on_the_command_line(
    call: Call, variable: str, option: str, read: Any
) -> None:
    default = asked(call)
    assert read(asked(call, **{variable: "a/b.x"})) == "a/b.x"
    assert read(asked(call, option, "mine", **{variable: "theirs"})) == "mine"
    assert asked(call, **{variable: ""}) == default


@pytest.mark.parametrize(
    ("arguments", "text", "value"),
    [((), "2", 2), ((), "0", 0), ((), "", None), (("--num-workers", "1"), "2", 1)],
)
def test_the_number_of_workers(
    call: Call, arguments: tuple[str, ...], text: str, value: int | None
) -> None:
    request = asked(call, *arguments, NUM_WORKERS_OVERRIDE=text)
    assert set_over(request).get("dataloader.num_workers") == value


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


def test_fine_tune_reads_those_that_apply_to_it(call: Call) -> None:
    request = asked(
        call,
        command="fine-tune",
        PIPELINE_MANIFEST="m.yaml",
        GRAPH_DIR="g",
        NUM_WORKERS_OVERRIDE="1",
        SKIP_SWEEP="nonsense",
        RESUME_FROM="w.ckpt",
    )
    assert (request.kind, request.manifest) == (FINE_TUNE, Path("m.yaml"))
    assert request.resume_from is None
    assert set_over(request) == {"paths.graph": "g", "dataloader.num_workers": 1}
    assert (request.skip_sweep, request.skip_fine) == (True, False)


def test_every_other_option_of_fine_tune_reaches_the_request(call: Call) -> None:
    options = "--checkpoint w.ckpt --run-dir r --jobs 2 --resume --output-root out"
    request = asked(call, *options.split(), command="fine-tune")
    assert (request.resume_from, request.run_dir) == (Path("w.ckpt"), Path("r"))
    assert (request.jobs, request.resume, request.output_root) == (2, True, Path("out"))
    by_loss = asked(call, "--metric", "val_loss", command="fine-tune")
    assert by_loss.metric == "val_loss"
