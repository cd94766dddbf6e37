from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import write_legacy_run

from topoqa_train.errors import RequestError
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.store import RunStore
from topoqa_train.workflows import checkpoint_selection
from topoqa_train.workflows.checkpoint_selection import NothingToPickError, Pick

WAYS = "Name one."


def of_finished(run_files: Any, clock: Any, metric: str | None = None) -> Pick:
    return checkpoint_selection.of_finished(RunStore(run_files.root), clock, metric, WAYS)


class TestOfFile:
    def test_links_are_followed_to_the_run_and_the_epoch(
        self, run_files: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = run_files("mine_2026")
        (run_files.root / "latest").symlink_to("mine_2026")
        monkeypatch.chdir(run_files.root)
        pick = checkpoint_selection.of_file(Path("latest/model_checkpoints/best.ckpt"))
        assert (pick.base, pick.run_id, pick.epoch) == ("mine_2026", "mine_2026", 1)
        assert pick.checkpoint.parent == run / "model_checkpoints"
        assert pick.checkpoint.read_text() == "weights of epoch 1"
        assert not pick.checkpoint.is_symlink()

    @pytest.mark.parametrize(
        ("name", "base"),
        [("weights.ckpt", "weights"), ("my (2).chkpt", "my__2_"), ("history.pt", "run_history")],
    )
    def test_a_file_elsewhere_gives_a_plain_name(
        self, tmp_path: Path, name: str, base: str
    ) -> None:
        (tmp_path / name).touch()
        pick = checkpoint_selection.of_file(tmp_path / name)
        assert (pick.base, pick.run_id, pick.epoch) == (base, None, None)

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
        pick = checkpoint_selection.of_run(run_files.root / "latest", best, clock)
        assert (pick.base, pick.run_id, pick.notes) == ("mine_2026", "mine_2026", ())

    def test_a_checkpoint_of_another_run_is_taken_and_told(
        self, run_files: Any, clock: Any
    ) -> None:
        mine, other = run_files("mine"), run_files("other")
        pick = checkpoint_selection.of_run(mine, other / "model_checkpoints" / "best.ckpt", clock)
        assert (pick.base, pick.run_id) == ("mine", "other")
        assert pick.notes == ("The checkpoint is of other; the new runs are called by mine.",)

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
        pick = of_finished(run_files, clock)
        assert (pick.base, pick.epoch) == ("low", 0)
        assert pick.checkpoint.read_text() == "weights of epoch 0"
        assert pick.notes[-1] == "Picked low: val_loss 0.04000 @ 0"

    def test_or_another_metric(self, run_files: Any, epoch: Any, clock: Any) -> None:
        run_files("low", [epoch(0.04, 0.1)])
        run_files("high", [epoch(0.06, 0.9)])
        assert of_finished(run_files, clock, "val_spearman_corr").base == "high"
        assert of_finished(run_files, clock, "selection_metric").base == "high"
        with pytest.raises(RequestError, match="no run has a metric 'nonsense'"):
            of_finished(run_files, clock, "nonsense")

    def test_what_was_validated_on_a_part_is_passed_over_where_there_is_better(
        self, run_files: Any, epoch: Any, clock: Any
    ) -> None:
        limited = {"training_parameters": {"fast_dev_run": True}}
        run_files("smoke", [epoch(0.001)], **limited)
        assert of_finished(run_files, clock).base == "smoke"
        run_files("whole", [epoch(0.05)])
        pick = of_finished(run_files, clock)
        assert pick.base == "whole"
        assert pick.notes[0] == "Passed over, validated on a part of the graphs: smoke"

    def test_a_run_of_the_reference_is_passed_over_and_named(
        self, run_files: Any, epoch: Any, clock: Any
    ) -> None:
        write_legacy_run(run_files.root, "theirs")
        with pytest.raises(NothingToPickError) as caught:
            of_finished(run_files, clock)
        assert "theirs" in caught.value.details[0]
        run_files("ours", [epoch(0.05)])
        pick = of_finished(run_files, clock)
        assert pick.base == "ours"
        assert pick.notes[0].startswith("Passed over, runs of another program")

    def test_with_none_the_way_out_is_told(self, run_files: Any, clock: Any) -> None:
        with pytest.raises(NothingToPickError, match="no finished run") as caught:
            of_finished(run_files, clock)
        assert caught.value.hint == WAYS


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


class TestRemembered:
    def test_what_was_written_comes_back(self, run_files: Any, clock: Any) -> None:
        run_files("mine")
        pick = of_finished(run_files, clock)
        again = checkpoint_selection.remembered(pick.to_json())
        assert again is not None
        assert again.to_json() == pick.to_json()
        assert again.notes == ("Goes on from mine, as before.",)

    def test_also_from_history(self, run_files: Any, clock: Any) -> None:
        run_files("mine")
        document = of_finished(run_files, clock).to_json()
        (run_files.root / "history").mkdir()
        (run_files.root / "mine").rename(run_files.root / "history" / "mine")
        again = checkpoint_selection.remembered(document)
        assert again is not None
        assert again.checkpoint.is_file()
        assert "history" in again.checkpoint.parts

    def test_what_is_gone_is_forgotten(self, run_files: Any, clock: Any) -> None:
        run_files("mine")
        pick = of_finished(run_files, clock)
        pick.checkpoint.unlink()
        assert checkpoint_selection.remembered(pick.to_json()) is None

    @pytest.mark.parametrize("document", [{}, {"checkpoint": 3}, {"checkpoint": os.devnull}])
    def test_so_is_what_is_no_pick(self, document: dict[str, Any]) -> None:
        assert checkpoint_selection.remembered(document) is None
