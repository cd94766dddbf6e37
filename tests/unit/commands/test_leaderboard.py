from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest


@pytest.fixture
def call(typed: Any, monkeypatch: pytest.MonkeyPatch, run_files: Any) -> Callable[..., Any]:
    """`topoqa-train leaderboard` on the runs that the test writes."""
    monkeypatch.setenv("TOPOQA_TRAIN_RUNS", str(run_files.root))
    return partial(typed, "leaderboard")


@pytest.fixture
def runs(run_files: Any, epoch: Any) -> None:
    run_files("a", [epoch(0.05, 0.2)])
    run_files("b", [epoch(0.09, 0.9)])
    run_files("c", [epoch(0.07, 0.5)], status="failed")


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        ((), "bca"),
        (("--limit", "2"), "bc"),
        (("-n", "1"), "b"),
        (("--metric", "val_loss"), "acb"),
        (("--reverse",), "acb"),
    ],
)
def test_json_is_one_document(call: Any, arguments: tuple[str, ...], order: str) -> None:
    status, out, err = call("--json", *arguments)
    document = json.loads(out)
    assert (status, err) == (0, "")
    assert "".join(run["run_id"] for run in document["runs"]) == order
    assert document["metric"] == ("val_loss" if "val_loss" in arguments else "selection_metric")


@pytest.mark.usefixtures("runs")
def test_the_default_is_a_table(call: Any) -> None:
    status, out, err = call()
    assert (status, err) == (0, "")
    assert "c  (failed)" in out
    assert "b/model_checkpoints/best.ckpt" in out


@pytest.mark.usefixtures("runs")
def test_with_json_notes_are_in_the_document(call: Any, run_files: Any, epoch: Any) -> None:
    run_files("d", [epoch(0.01)], weight=3.0)
    _, out, err = call("--json")
    assert err == ""
    assert "can't be compared" in json.loads(out)["notes"][0]


@pytest.mark.parametrize(
    ("arguments", "names", "words"),
    [
        (("--json",), (), "there are no runs"),
        (("--metric", "accuracy"), ("a",), "no run has a metric 'accuracy'"),
    ],
)
def test_wrong_requests(
    call: Any, run_files: Any, arguments: tuple[str, ...], names: tuple[str, ...], words: str
) -> None:
    for name in names:
        run_files(name)
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert words in err
