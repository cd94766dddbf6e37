from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from topoqa_train.config.overrides import parse_override
from topoqa_train.workflows import pipeline
from topoqa_train.workflows.pipeline import PipelineRequest
from topoqa_train.workflows.plan_document import plan_document


def test_it_says_which_graphs_each_job_reads_and_where_runs_go(
    project: Any, resolver: Any, clock: Any, tmp_path: Path
) -> None:
    overrides = (parse_override("trainer.num_epochs=2", base=project.root),)
    request = PipelineRequest(
        project.root / "manifests" / "tiny.yaml", overrides, output_root=tmp_path / "out"
    )
    document = plan_document(pipeline.plan_pipeline(request, resolver, clock))
    assert json.loads(json.dumps(document)) == document
    assert document["manifest"] == str(project.root / "manifests" / "tiny.yaml")
    assert document["output_root"] == str(tmp_path / "out")
    assert (document["skip_sweep"], document["resume_from"]) == (False, None)
    jobs = document["jobs"]
    assert [job["phase"] for job in jobs] == ["sweep"] * 3 + ["phase 1"] + ["phase 2"] * 2
    assert {job["graph"] for job in jobs} == {str(project.root / "graphs")}
    assert all(job["overrides"]["trainer.num_epochs"] == "2" for job in jobs)
    assert {job["epochs"] for job in jobs} == {2}
    assert jobs[0]["labels"]["train"] == str(project.root / "train.csv")


def test_what_is_left_out_is_not_there(
    project: Any, resolver: Any, clock: Any, run_files: Any
) -> None:
    request = PipelineRequest(
        project.root / "manifests" / "tiny.yaml",
        skip_sweep=True,
        skip_fine=True,
        output_root=run_files("finished").parent,
    )
    document = plan_document(pipeline.plan_pipeline(request, resolver, clock))
    assert (document["jobs"], document["skip_sweep"], document["skip_fine"]) == ([], True, True)
