from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from legacy_runs import write_legacy_run

from topoqa_train.errors import RequestError
from topoqa_train.runs.ledger import SelectedCheckpoint
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import RunStore
from topoqa_train.workflows import checkpoint_selection
from topoqa_train.workflows.checkpoint_selection import NoFinishedRunError

HINT = "Name one."


def of_finished(run_files: Any, clock: Any, metric: str | None = None) -> SelectedCheckpoint:
    return checkpoint_selection.of_finished(RunStore(run_files.root), clock, metric, HINT)


class TestOfFile:
    def test_links_are_followed_to_the_run_and_the_epoch(
        self, run_files: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = run_files("mine_2026")
        (run_files.root / "latest").symlink_to("mine_2026")
        monkeypatch.chdir(run_files.root)
        selected = checkpoint_selection.of_file(Path("latest/model_checkpoints/best.ckpt"))
        assert (selected.base, selected.run_id, selected.epoch) == ("mine_2026", "mine_2026", 1)
        assert selected.checkpoint.parent == run / "model_checkpoints"
        assert selected.checkpoint.read_text() == "weights of epoch 1"
        assert not selected.checkpoint.is_symlink()

    @pytest.mark.parametrize(
        ("name", "base"),
        [("weights.ckpt", "weights"), ("my (2).chkpt", "my__2_"), ("history.pt", "run_history")],
    )
    def test_a_file_elsewhere_gives_a_plain_name(
        self, tmp_path: Path, name: str, base: str
    ) -> None:
        (tmp_path / name).touch()
        selected = checkpoint_selection.of_file(tmp_path / name)
        assert (selected.base, selected.run_id, selected.epoch) == (base, None, None)

    def test_one_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="there is no checkpoint"):
            checkpoint_selection.of_file(tmp_path / "gone.ckpt")


class TestOfRun:
    def test_the_run_gives_the_name_whatever_it_is_called_by(
        self, run_files: Any, clock: Any
    ) -> None:
        run = run_files("mine_2026")
        (run_files.root / "latest").symlink_to("mine_2026")
        best = run / "model_checkpoints" / "best.ckpt"
        selected = checkpoint_selection.of_run(run_files.root / "latest", best, clock)
        assert (selected.base, selected.run_id, selected.notes) == ("mine_2026", "mine_2026", ())

    def test_a_checkpoint_of_another_run_is_used_and_reported(
        self, run_files: Any, clock: Any
    ) -> None:
        mine, other = run_files("mine"), run_files("other")
        selected = checkpoint_selection.of_run(
            mine, other / "model_checkpoints" / "best.ckpt", clock
        )
        assert (selected.base, selected.run_id) == ("mine", "other")
        assert selected.notes == ("The checkpoint is of other; the new runs are named after mine.",)

    def test_both_have_to_be_there(self, run_files: Any, clock: Any, tmp_path: Path) -> None:
        run = run_files("mine")
        best = run / "model_checkpoints" / "best.ckpt"
        with pytest.raises(RequestError, match="--run-dir: there is no folder"):
            checkpoint_selection.of_run(tmp_path / "gone", best, clock)
        with pytest.raises(RequestError, match="is not a run"):
            checkpoint_selection.of_run(tmp_path, best, clock)
        with pytest.raises(RequestError, match="there is no checkpoint"):
            checkpoint_selection.of_run(run, run / "model_checkpoints" / "gone.ckpt", clock)


class TestOfFinished:
    def test_the_lowest_val_loss_history_included(
        self, run_files: Any, epoch: Any, clock: Any
    ) -> None:
        run_files("good", [epoch(0.05, 0.9)])
        run_files("low", [epoch(0.04, 0.0), epoch(0.06, 0.5)], folder="history")
        for status in ("failed", "interrupted"):
            run_files(status, [epoch(0.01)], status=status)
        selected = of_finished(run_files, clock)
        assert (selected.base, selected.epoch) == ("low", 0)
        assert selected.checkpoint.read_text() == "weights of epoch 0"
        assert selected.notes[-1] == "Selected low: val_loss 0.04000 @ 0"

    def test_or_another_metric(self, run_files: Any, epoch: Any, clock: Any) -> None:
        run_files("low", [epoch(0.04, 0.1)])
        run_files("high", [epoch(0.06, 0.9)])
        assert of_finished(run_files, clock, "val_spearman_corr").base == "high"
        assert of_finished(run_files, clock, "selection_metric").base == "high"
        with pytest.raises(RequestError, match="no run has a metric 'nonsense'"):
            of_finished(run_files, clock, "nonsense")

    def test_runs_validated_on_a_part_are_skipped_if_there_are_others(
        self, run_files: Any, epoch: Any, clock: Any
    ) -> None:
        limited = {"training_parameters": {"fast_dev_run": True}}
        run_files("smoke", [epoch(0.001)], **limited)
        assert of_finished(run_files, clock).base == "smoke"
        run_files("whole", [epoch(0.05)])
        selected = of_finished(run_files, clock)
        assert selected.base == "whole"
        assert selected.notes[0] == "Skipped, validated on a part of the graphs: smoke"

    def test_a_run_of_the_previous_pipeline_is_skipped_and_named(
        self, run_files: Any, epoch: Any, clock: Any
    ) -> None:
        write_legacy_run(run_files.root, "theirs")
        with pytest.raises(NoFinishedRunError) as caught:
            of_finished(run_files, clock)
        assert "theirs" in caught.value.details[0]
        run_files("ours", [epoch(0.05)])
        selected = of_finished(run_files, clock)
        assert selected.base == "ours"
        assert selected.notes[0].startswith("Skipped, runs of another program")


class TestOfSweep:
    def test_by_what_ranks_it_or_by_another_column(
        self, run_files: Any, epoch: Any, clock: Any
    ) -> None:
        runs = [
            RunPaths(run_files("a", [epoch(0.04, 0.1)])),
            RunPaths(run_files("b", [epoch(0.06, 0.9)])),
        ]
        assert checkpoint_selection.of_sweep(runs, clock, None).base == "b"
        assert checkpoint_selection.of_sweep(runs, clock, "val_loss").base == "a"

    def test_without_a_checkpoint_there_is_nothing(self, run_files: Any, clock: Any) -> None:
        with pytest.raises(RequestError, match="no run of this sweep"):
            checkpoint_selection.of_sweep([RunPaths(run_files("a", []))], clock, None)


class TestOfSession:
    @pytest.mark.parametrize("archived", [False, True])
    def test_it_is_used_again_also_from_history(
        self, run_files: Any, clock: Any, archived: bool
    ) -> None:
        run = run_files("mine")
        selected = of_finished(run_files, clock)
        if archived:
            run = run.rename(run_files("x", folder="history").parent / "mine")
        read = checkpoint_selection.of_session(
            SelectedCheckpoint.model_validate_json(selected.model_dump_json())
        )
        assert read is not None
        assert read.checkpoint == run / "model_checkpoints" / selected.checkpoint.name
        assert read.notes == ("Fine-tuning starts from mine, as before.",)
        changed = {"notes": selected.notes, "checkpoint": selected.checkpoint}
        assert read.model_copy(update=changed) == selected

    def test_what_is_gone_is_none(self, run_files: Any, clock: Any) -> None:
        run_files("mine")
        selected = of_finished(run_files, clock)
        selected.checkpoint.unlink()
        assert checkpoint_selection.of_session(selected) is None
