"""What one pipeline leaves behind, file by file."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics" / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_names_of_the_runs(trained):
    base = min(
        (trained.run("first"), trained.run("second")),
        key=lambda run: json.loads((run / "run_metadata.json").read_text())["checkpoints"][
            "ranking"
        ][0]["selection_metric"],
    ).name
    names = {run.name for run in trained.all}
    assert {f"{base}_finetune_phase1", f"{base}_phase2_seed5", f"{base}_phase2_seed6"} < names
    assert len(names) == 5


@pytest.mark.parametrize(
    "file",
    [
        "config/config.yaml",
        "config/original_config.yaml",
        "run_metadata.json",
        "training_console.log",
        "feature_metadata.json",
        "dataset_coverage.json",
        "metrics/metrics.csv",
        "model_checkpoints/best.ckpt",
        "model_checkpoints/second_best.ckpt",
        "model_checkpoints/third_best.ckpt",
        "model_checkpoints/last.ckpt",
    ],
)
def test_every_run_has(trained, file):
    for run in trained.all:
        assert (run / file).is_file()
        assert (run / file).stat().st_size > 0


def test_a_row_an_epoch(trained):
    for run in trained.all:
        assert [row["epoch"] for row in rows(run)] == ["0", "1", "2", "3"]
        assert [row["step"] for row in rows(run)] == ["2", "4", "6", "8"]


def test_links_lead_to_the_three_best_by_the_ranking_metric(trained):
    for run in trained.all:
        values = {int(row["epoch"]): float(row["selection_metric"]) for row in rows(run)}
        best = sorted(values, key=lambda epoch: (values[epoch], epoch))[:3]
        folder = run / "model_checkpoints"
        links = ["best.ckpt", "second_best.ckpt", "third_best.ckpt"]
        assert [torch.load(folder / link, weights_only=True)["epoch"] for link in links] == best
        for link, epoch in zip(links, best, strict=True):
            target = (folder / link).readlink()
            assert not target.is_absolute()
            assert f"sel-{values[epoch]:.5f}_" in target.name
            assert target.name.endswith(f"_epoch{epoch}.chkpt")
        losses = {int(row["epoch"]): float(row["val_loss"]) for row in rows(run)}
        by_loss = torch.load(folder / "best_val_loss.ckpt", weights_only=True)["epoch"]
        assert by_loss == min(losses, key=lambda epoch: (losses[epoch], epoch))


def test_nothing_in_a_run_names_its_own_place(trained):
    for run in trained.all:
        for file in run.rglob("*"):
            if file.is_file() and not file.is_symlink() and file.suffix not in (".chkpt", ".ckpt"):
                text = file.read_text()
                command_line = json.dumps(str(trained.project.runs))
                assert str(run) not in text.replace(command_line, ""), file


def test_original_config_is_the_source_byte_for_byte(trained):
    kept = trained.run("second") / "config"
    assert (kept / "original_config.yaml").read_bytes() == trained.project.config.read_bytes()
    assert YAML().load(kept / "applied_overrides.yaml") == {"optimizer.learning_rate": 0.02}
    assert YAML().load(kept / "config.yaml")["optimizer"]["learning_rate"] == 0.02


def test_running_the_kept_config_gives_the_same_run(trained, cli, tmp_path):
    first = trained.run("first")
    done = cli(
        "run", "-c", first / "config" / "config.yaml", "--run-name", "again",
        "--output-root", tmp_path, cwd=tmp_path,
    )  # fmt: skip
    assert done.status == 0, done.err
    left_out = ("epoch_seconds",)
    kept = [{k: v for k, v in row.items() if k not in left_out} for row in rows(first)]
    again = [
        {k: v for k, v in row.items() if k not in left_out} for row in rows(tmp_path / "again")
    ]
    assert again == kept


def test_fine_tuning_takes_the_weights_alone(trained):
    (phase1,) = [run for run in trained.all if run.name.endswith("_finetune_phase1")]
    document = json.loads((phase1 / "run_metadata.json").read_text())
    # Its own learning rate and its own count of epochs, not the sweep's.
    assert float(rows(phase1)[0]["learning_rate"]) == 0.001
    assert len(rows(phase1)) == 4
    assert document["started_from"]["run_id"] in {run.name for run in trained.all}
    # A step of Adam at 0.001 moves little: the first epoch is near where the sweep ended.
    start = torch.load(document["started_from"]["checkpoint"], weights_only=True)
    after = float(rows(phase1)[0]["val_loss"])
    assert abs(after - start["metrics"]["val_loss"]) < 0.02


def test_phase_2_starts_from_phase_1(trained):
    (phase1,) = [run for run in trained.all if run.name.endswith("_finetune_phase1")]
    for run in trained.all:
        if "_phase2_seed" in run.name:
            document = json.loads((run / "run_metadata.json").read_text())
            assert document["started_from"]["run_id"] == phase1.name


def test_all_ends_as_completed(trained):
    for run in trained.all:
        document = json.loads((run / "run_metadata.json").read_text())
        assert document["status"] == "completed"
        assert document["completed"] >= document["created"]
        assert document["test"]["loss"] >= 0
        assert len((run / "metrics" / "test_predictions.csv").read_text().splitlines()) == 19


def test_the_pipe_gets_plain_lines_and_the_winner(trained):
    done = trained.done
    assert "\x1b" not in done.err + done.out
    assert "\r" not in done.err + done.out
    winner = next(line for line in done.out.splitlines() if line.startswith("Winner: "))
    assert Path(winner.removeprefix("Winner: ")).is_file()
    for word in ("first", "second", "sweep", "phase 1", "phase 2", "done after 4 epochs"):
        assert word in done.err


def test_the_pipeline_log_says_what_was_said(trained):
    (log,) = trained.project.runs.glob("full_pipeline_manifest_*.log")
    text = log.read_text()
    assert "first: done after 4 epochs" in text
    assert "Selected " in text


def test_latest_is_a_relative_link_to_a_run(trained):
    latest = trained.project.runs / "latest"
    assert latest.is_symlink()
    assert not latest.readlink().is_absolute()
    assert (latest / "run_metadata.json").is_file()


def test_leaderboard_reads_a_copy_elsewhere(trained, cli, tmp_path):
    shutil.copytree(trained.project.runs, tmp_path / "copy", symlinks=True)
    done = cli("leaderboard", "--json", "--limit", 3, "--run-root", tmp_path / "copy")
    assert done.status == 0, done.err
    board = json.loads(done.out)
    assert len(board["runs"]) == 3
    values = [run["value"] for run in board["runs"]]
    assert values == sorted(values)
    for run in board["runs"]:
        assert str(tmp_path / "copy") in run["checkpoint"]
        assert torch.load(run["checkpoint"], weights_only=True)["epoch"] == run["epoch"]


def test_dry_run_shows_the_plan_and_trains_nothing(trained, cli):
    best = trained.run("first") / "model_checkpoints" / "best.ckpt"
    done = cli(
        "pipeline", "-m", trained.project.manifest, "--output-root", trained.project.runs,
        "--skip-sweep", "--resume-from", best, "--dry-run",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "phase 1" in done.out
    assert "97 graphs (42/37/18)" in done.out
    assert len(trained.all) == 5
