"""The environment of a pipeline through the real executable; each switch as its users set it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def plan(trained, cli):
    """What a pipeline would do, beside the runs of the session's."""

    def _plan(*arguments, root=trained.project.runs, **environment):
        done = cli(
            "pipeline", "-m", trained.project.manifest, "--output-root", root,
            "--dry-run", "--json", *arguments, **environment,
        )  # fmt: skip
        assert done.status == 0, done.err
        return json.loads(done.out)

    return _plan


def phases(document) -> list[str]:
    return [job["phase"] for job in document["jobs"]]


SWEEP, FINE = ["sweep"] * 2, ["phase 1", *["phase 2"] * 2]


def test_skip_sweep_and_skip_fine(plan):
    assert phases(plan()) == SWEEP + FINE
    assert phases(plan(SKIP_SWEEP="1")) == FINE
    assert phases(plan(SKIP_FINE="1")) == SWEEP
    assert phases(plan(SKIP_SWEEP="1", SKIP_FINE="1")) == []
    assert phases(plan(SKIP_SWEEP="0", SKIP_FINE="")) == SWEEP + FINE
    assert phases(plan("--no-skip-sweep", SKIP_SWEEP="1")) == SWEEP + FINE


def test_graph_dir_and_number_of_workers_go_to_every_job(plan, trained, tmp_path):
    elsewhere = tmp_path / "alt"
    shutil.copytree(trained.project.graphs, elsewhere)
    jobs = plan(GRAPH_DIR=str(elsewhere), NUM_WORKERS_OVERRIDE="2")["jobs"]
    assert {job["graph"] for job in jobs} == {str(elsewhere)}
    assert {job["overrides"]["dataloader.num_workers"] for job in jobs} == {"2"}
    mine = plan("--graph-dir", trained.project.graphs, GRAPH_DIR=str(elsewhere))["jobs"]
    assert {job["graph"] for job in mine} == {str(trained.project.graphs)}


def test_resume_from_is_what_is_fine_tuned(trained, cli):
    run = trained.run("first")
    best = run / "model_checkpoints" / "best.ckpt"
    done = cli(
        "pipeline", "-m", trained.project.manifest, "--output-root", trained.project.runs,
        "--dry-run", RESUME_FROM=str(best),
    )  # fmt: skip
    assert done.status == 0, done.err
    assert f"{run.name}_finetune_phase1" in done.out
    assert f"starts from: {best.resolve()}" in done.out
    assert "--skip-sweep saves the sweep" in done.err  # it is trained for nothing
    again = cli(
        "pipeline", "-m", trained.project.manifest, "--output-root", trained.project.runs,
        "--dry-run", "--json", RESUME_FROM=str(best), SKIP_SWEEP="1",
    )  # fmt: skip
    assert (again.status, again.err) == (0, "")
    assert phases(json.loads(again.out)) == FINE


def test_the_manifest_may_come_from_the_environment(project, cli):
    other = project.root / "other.yaml"
    other.write_text(project.manifest.read_text().replace("name: first", "name: other"))
    done = cli(
        "pipeline", "--dry-run", "--json", "--output-root", project.runs,
        PIPELINE_MANIFEST=str(other),
    )  # fmt: skip
    assert done.status == 0, done.err
    document = json.loads(done.out)
    assert document["manifest"] == str(other)
    assert [job["name"] for job in document["jobs"][:2]] == ["other", "second"]
    mine = cli(
        "pipeline", "-m", project.manifest, "--dry-run", "--json", "--output-root", project.runs,
        PIPELINE_MANIFEST=str(other),
    )  # fmt: skip
    assert json.loads(mine.out)["manifest"] == str(project.manifest)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SKIP_SWEEP", "maybe"), ("SKIP_FINE", "2"), ("NUM_WORKERS_OVERRIDE", "two")],
)
def test_nonsense_is_named(name, value, project, cli):
    done = cli("pipeline", "-m", project.manifest, "--output-root", project.runs, **{name: value})
    assert done.status == 2
    assert name in done.err
    assert not project.runs.exists()


@pytest.mark.parametrize("name", ["RESUME_FROM", "GRAPH_DIR", "PIPELINE_MANIFEST"])
def test_what_is_not_there_is_named(name, project, cli):
    gone = str(project.root / "gone")
    manifest = () if name == "PIPELINE_MANIFEST" else ("-m", project.manifest)
    done = cli("pipeline", *manifest, "--output-root", project.runs, **{name: gone})
    assert done.status == 2, done.err
    assert "gone" in done.err
    assert not project.runs.exists()


def test_without_sweep_and_fine_tuning_it_only_selects_and_logs_that(trained, cli, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(trained.project.runs, runs, symlinks=True)
    before = set(runs.iterdir())
    done = cli(
        "pipeline", "-m", trained.project.manifest, "--output-root", runs,
        SKIP_SWEEP="1", SKIP_FINE="1",
    )  # fmt: skip
    assert done.status == 0, done.err
    (log,) = set(runs.iterdir()) - before
    lowest = min(trained.all, key=lambda run: min(losses(run)))
    assert f" {lowest.name}: val_loss {min(losses(lowest)):.5f}" in done.err
    assert lowest.name in log.read_text()


def losses(run: Path) -> list[float]:
    with (run / "metrics" / "metrics.csv").open() as file:
        return [float(row["val_loss"]) for row in csv.DictReader(file)]
