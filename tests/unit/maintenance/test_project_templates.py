"""A new project has the values of the shipped recipes, in fewer files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from topoqa_train.config.job_plan import JobPlan, LoadedManifest
from topoqa_train.config.manifest import load_manifest
from topoqa_train.config.recipes import find_recipe
from topoqa_train.config.schema import config_schema, manifest_schema
from topoqa_train.maintenance import project_templates
from topoqa_train.maintenance.project_templates import batches_per_step

PATHS = {"graph": "../g", "train_labels": "../t.csv", "val_labels": "../odd: name.csv"}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    files = {
        project_templates.CONFIG: project_templates.config_file(PATHS, 400),
        project_templates.FINE_TUNE: project_templates.fine_tune_file(PATHS, 400),
        project_templates.CORE: project_templates.manifest_file(extended=False),
        project_templates.EXTENDED: project_templates.manifest_file(extended=True),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def jobs_of(manifest: LoadedManifest) -> list[JobPlan]:
    return [*manifest.jobs, manifest.phase1_job("x", None), *manifest.phase2_jobs("x", None)]


@pytest.mark.parametrize("name", ["run_core", "run_extended"])
def test_jobs_and_values_are_those_of_the_shipped_manifest(written: Path, name: str) -> None:
    ours = load_manifest(written / "manifests" / f"{name}.yaml")
    shipped = load_manifest(find_recipe("manifests", name))
    assert {job.name for job in ours.jobs} == {job.name for job in shipped.jobs}
    named = {job.name: job.config.config for job in jobs_of(shipped)}
    for job in jobs_of(ours):
        theirs = named[job.name].model_dump(exclude={"paths"})
        assert job.config.config.model_dump(exclude={"paths"}) == theirs, job.name
    assert ours.fine_tune is not None
    assert shipped.fine_tune is not None
    assert ours.fine_tune.start_from == shipped.fine_tune.start_from


def test_every_job_trains_on_the_data_that_were_named(written: Path) -> None:
    for job in jobs_of(load_manifest(written / project_templates.EXTENDED)):
        paths = job.config.config.paths
        assert (paths.dataset, paths.test_labels) == (None, None)
        assert paths.graph == written.resolve() / "g"
        assert paths.val_labels == written.resolve() / "odd: name.csv"


@pytest.mark.parametrize("paths", [PATHS, {"dataset": "demo"}, {**PATHS, "test_labels": "../x"}])
@pytest.mark.parametrize("graphs", [None, 1, 400, 20_000])
def test_files_satisfy_their_schema_in_a_hundred_columns(paths: Any, graphs: int | None) -> None:
    yaml = YAML(typ="safe", pure=True)
    for text in (
        project_templates.config_file(paths, graphs),
        project_templates.fine_tune_file(paths, graphs),
    ):
        Draft7Validator(config_schema()).validate(yaml.load(text))
        assert yaml.load(text)["paths"] == paths
        assert max(map(len, text.splitlines())) <= 100
        assert "# test_labels" in text or "test_labels" in paths
    for extended in (False, True):
        text = project_templates.manifest_file(extended=extended)
        Draft7Validator(manifest_schema()).validate(yaml.load(text))


@pytest.mark.parametrize(
    ("graphs", "batches", "steps"),
    [(1, 1, 1), (400, 1, 25), (1008, 1, 63), (1024, 2, 32), (9000, 16, 36), (10**6, 16, 3907)],
)
def test_small_data_get_fewer_batches_a_step(graphs: int, batches: int, steps: int) -> None:
    found, why = batches_per_step(graphs)
    assert found == batches
    assert f"so {steps} step" in why


def test_an_epoch_never_has_fewer_steps_than_batches_allow() -> None:
    for graphs in range(1, 12_000, 7):
        batches = -(-graphs // project_templates.BATCH_SIZE)
        assert batches // batches_per_step(graphs)[0] >= min(batches, 32)
