"""The published schemas accept what the commands print, and nothing else."""

from __future__ import annotations

import copy
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from documents import REPOSITORY
from legacy_runs import write_legacy_run

from topoqa_train import cli
from topoqa_train.runs import status

FOLDER = REPOSITORY / "docs" / "reference"
SCHEMAS = {
    name: json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8"))
    for name in ("summary", "monitor")
}
COMMANDS = {"summary": "summarise", "monitor": "monitor"}
DEAD = {**status.this_process(), "started": 1.0, "ticks": 1}


@pytest.fixture
def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, Path], dict[str, Any]]:
    """Return the document that the command of a schema prints about a run."""

    def _printed(name: str, run: Path) -> dict[str, Any]:
        arguments = [cli.PROGRAM, COMMANDS[name], "--run-dir", str(run)]
        monkeypatch.setattr(sys, "argv", arguments)
        assert cli._status() == 0
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    return _printed


STATES = ("whole", "running", "died", "failed", "empty", "nan", "bare", "damaged")


@pytest.fixture(params=[*STATES, "legacy", "legacy with missing files"])
def run(request: pytest.FixtureRequest, run_files: Any, epoch: Any, tmp_path: Path) -> Path:
    """Return a run in each possible state."""
    if request.param == "legacy":
        return write_legacy_run(tmp_path)
    if request.param not in STATES:
        return write_legacy_run(tmp_path, document="", names="bare", links="broken")
    parameters = {"num_epochs": 9, "early_stopping_patience": 3, "batch_size": 16}
    lost = epoch(math.nan, math.nan)
    kinds: dict[str, dict[str, Any]] = {
        "whole": {"completed": "2026-01-31T13:00:00+00:00"},
        "running": {"status": "running", "process": status.this_process()},
        "died": {"status": "running", "process": DEAD},
        "failed": {"status": "failed", "epochs": [], "error": {"message": "no memory"}},
        "empty": {"status": "running", "epochs": [], "process": status.this_process()},
        "nan": {"epochs": [lost, epoch(0.05), lost], "odd": math.nan},
        "bare": {"links": "none"},
        "damaged": {},
    }
    folder = Path(run_files("r", **{"training_parameters": parameters, **kinds[request.param]}))
    if request.param == "whole":
        coverage = {"val": {"total": 4, "usable": 3, "coverage": 75.0, "missing": ["x"]}}
        (folder / "dataset_coverage.json").write_text(json.dumps(coverage))
        (folder / "feature_metadata.json").write_text('{"node_schema": {"dim": 7}}')
    if request.param == "damaged":
        for link in ("best.ckpt", "second_best.ckpt"):
            (folder / "model_checkpoints" / link).unlink()
            (folder / "model_checkpoints" / link).symlink_to("gone.chkpt")
        (folder / "dataset_coverage.json").write_text("{")
    return folder


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_self_contained(name: str) -> None:
    schema = SCHEMAS[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "$id" not in schema
    text = json.dumps(schema)
    assert text.count('"$ref": "#/$defs/') == text.count('"$ref"')


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_field_is_described(name: str) -> None:
    for part in (SCHEMAS[name], *SCHEMAS[name]["$defs"].values()):
        assert part["description"]
        for field in part.get("properties", {}).values():
            assert field["description"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_printed_documents_are_valid(name: str, run: Path, printed: Any) -> None:
    jsonschema.Draft202012Validator(SCHEMAS[name]).validate(printed(name, run))


def changed(document: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    result = copy.deepcopy(document)
    change(result)
    return result


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("warnings"),
        lambda document: document.update(colour="red"),
        lambda document: document.update(status="sleeping"),
        lambda document: document.update(schema_version=2),
        lambda document: document["runtime"].update(epochs_done=None),
        lambda document: document["runtime"].update(colour="red"),
        lambda document: document["metrics_history"][0].update(epoch=0.5),
        lambda document: document["metrics_history"][0].update(val_top1_high="much"),
        lambda document: document["metrics_history"][0].pop("val_loss"),
    ],
)
def test_changed_documents_are_not_valid(
    name: str, change: Callable[[dict[str, Any]], None], run_files: Any, printed: Any
) -> None:
    document = printed(name, run_files("r"))
    validator = jsonschema.Draft202012Validator(SCHEMAS[name])
    assert validator.is_valid(document)
    assert not validator.is_valid(changed(document, change))
