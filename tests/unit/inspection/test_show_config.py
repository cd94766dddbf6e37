from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from topoqa_train.config.overrides import parse_override
from topoqa_train.errors import RequestError
from topoqa_train.inspection import show_config


def test_a_config_alone(project: Any) -> None:
    override = parse_override("trainer.num_epochs=7", base=project.root)
    shown = show_config.of_file(Path("configs/one.yaml"), [override])
    document = show_config.to_document(shown)
    assert json.loads(json.dumps(document)) == document
    values = {value["key"]: value for value in document["values"]}
    assert values["trainer.num_epochs"] == {
        "key": "trainer.num_epochs",
        "value": 7,
        "from": {
            "kind": "override",
            "name": "-o trainer.num_epochs=7",
            "file": None,
            "line": None,
        },
    }
    assert values["paths.graph"]["value"] == str(project.root.resolve() / "graphs")
    assert values["paths.graph"]["from"]["file"] == str(project.root.resolve() / "configs/one.yaml")
    assert (document["layout"], document["manifest"], document["job"]) == ("sections", None, None)
    assert document["ranking_metric"] == "selection_metric"


@pytest.mark.parametrize("job", ["two", "finetune_phase1", "phase2_seed555"])
def test_a_job_of_a_manifest(project: Any, job: str) -> None:
    project.manifest()
    shown = show_config.of_job(Path("manifests/tiny.yaml"), job, [])
    seeds = [value for value in shown.values if value.key == "dataloader.seed"]
    assert shown.job == job
    assert seeds[0].value == (555 if job == "phase2_seed555" else 222)
    # The config says nothing of the seed; the manifest's list of seeds does.
    assert seeds[0].source.kind == ("manifest" if job == "phase2_seed555" else "default")


def test_one_of_several_jobs_must_be_named(project: Any) -> None:
    with pytest.raises(RequestError, match="more than one job") as caught:
        show_config.of_job(Path("manifests/tiny.yaml"), None, [])
    assert "phase2_seed101" in caught.value.details[0]
    with pytest.raises(RequestError, match="no job 'tow'; did you mean 'two'"):
        show_config.of_job(Path("manifests/tiny.yaml"), "tow", [])


def test_the_only_job_needs_no_name(project: Any) -> None:
    project.manifest(["one"], fine_tune=False)
    assert show_config.of_job(Path("manifests/tiny.yaml"), None, []).job == "one"
