"""Fine-tuning without a sweep: the best of what is there, or what is named."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch


@pytest.fixture
def runs(trained, tmp_path) -> Path:
    """A copy of the runs of a pipeline, to add to."""
    copy = tmp_path / "runs"
    shutil.copytree(trained.project.runs, copy, symlinks=True)
    return copy


def lowest(run: Path) -> float:
    with (run / "metrics" / "metrics.csv").open() as file:
        return min(float(row["val_loss"]) for row in csv.DictReader(file))


def metadata(run: Path) -> dict:
    return json.loads((run / "run_metadata.json").read_text())


def names(runs: Path) -> set[str]:
    return {
        path.parent.name
        for path in runs.glob("*/run_metadata.json")
        if not path.parent.is_symlink()
    }


def test_it_takes_the_lowest_val_loss_of_all_also_from_history(trained, cli, runs):
    best = min((runs / name for name in names(runs)), key=lowest)
    (runs / "history").mkdir(exist_ok=True)
    best = best.rename(runs / "history" / best.name)
    before = names(runs)
    done = cli("fine-tune", "-m", trained.project.manifest, "--output-root", runs)
    assert done.status == 0, done.err
    assert f"Selected {best.name}: val_loss {lowest(best):.5f}" in done.err
    made = names(runs) - before
    assert made == {
        f"{best.name}_{end}" for end in ("finetune_phase1", "phase2_seed5", "phase2_seed6")
    }
    phase1 = metadata(runs / f"{best.name}_finetune_phase1")
    assert phase1["started_from"]["run_id"] == best.name
    start = torch.load(phase1["started_from"]["checkpoint"], weights_only=True)
    # The checkpoint with that loss, which the ranking metric need not call its best.
    assert start["metrics"]["val_loss"] == pytest.approx(lowest(best))
    for end in ("phase2_seed5", "phase2_seed6"):
        started = metadata(runs / f"{best.name}_{end}")["started_from"]
        assert started["run_id"] == f"{best.name}_finetune_phase1"
    (log,) = runs.glob("fine_tune_manifest_*.log")
    assert "Selected " in log.read_text()
    winner = next(line for line in done.out.splitlines() if line.startswith("Winner: "))
    assert Path(winner.removeprefix("Winner: ")).is_file()

    # Gone on with, it is the same fine-tuning, though phase 1 may be the best of all now.
    again = cli("fine-tune", "-m", trained.project.manifest, "--output-root", runs, "--resume")
    assert again.status == 0, again.err
    assert names(runs) - before == made
    assert f"starts from {best.name}, as before" in again.err


def test_a_checkpoint_and_a_run_that_are_named(trained, cli, runs):
    first = runs / trained.run("first").name
    done = cli(
        "fine-tune", "-m", trained.project.manifest, "--output-root", runs, "--dry-run",
        "--checkpoint", first / "model_checkpoints" / "third_best.ckpt", "--run-dir", first,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert f"{first.name}_finetune_phase1" in done.out
    assert f"{first.name}_phase2_seed6" in done.out
    third = (first / "model_checkpoints" / "third_best.ckpt").resolve()
    assert f"starts from: {third}" in done.out
    assert names(runs) == {run.name for run in trained.all}


def test_a_checkpoint_of_another_network_is_found_out_before_anything_begins(trained, cli, runs):
    before = names(runs)
    done = cli(
        "fine-tune", "-m", trained.project.manifest, "--output-root", runs,
        "-o", "model.attention_head=4",
    )  # fmt: skip
    assert done.status == 2, done.err
    assert "attention_head: 2 in the checkpoint, 4 in the config" in done.err
    assert done.out == ""
    assert names(runs) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--checkpoint", "{best}"], "--checkpoint needs --run-dir"),
        (["--run-dir", "{run}"], "--run-dir needs --checkpoint"),
        (["--checkpoint", "gone.chkpt", "--run-dir", "{run}"], "no checkpoint gone.chkpt"),
        (["--checkpoint", "{best}", "--run-dir", "gone"], "no folder gone"),
        (["--checkpoint", "{best}", "--run-dir", "{graphs}"], "is not a run"),
        (["--checkpoint", "{best}", "--run-dir", "{run}", "--metric", "val_loss"], "--metric"),
        (["--metric", "accuracy"], "no run has a metric 'accuracy'"),
        (["--output-root", "{graphs}"], "no finished run"),
    ],
)
def test_wrong_requests(arguments, says, trained, cli):
    run = trained.run("first")
    words = [
        part.format(
            run=run, best=run / "model_checkpoints" / "best.ckpt", graphs=trained.project.graphs
        )
        for part in arguments
    ]
    root = [] if "--output-root" in words else ["--output-root", trained.project.runs]
    done = cli("fine-tune", "-m", trained.project.manifest, *root, *words)
    assert done.status == 2, done.err
    assert says in done.err
    assert done.out == ""
