from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from legacy_runs import Measured, write_legacy_run
from rich.table import Table

from topoqa_train.runs import leaderboard, summary
from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.paths import RunPaths
from topoqa_train.ui.tables import leaderboard as leaderboard_table

Lines = Callable[..., list[str]]
Ranked = Callable[..., Leaderboard]
LONG = "large_batch_sched_boost_lr035_seed1337_2026-01-31_12-00-00"
METRICS = (None, "val_loss", "val_target_spearman", "val_target_ranking_loss_of_length")


@pytest.fixture
def ranked(run_files: Any, epoch: Any, clock: Any) -> Ranked:
    """Runs with long names and every kind of end, ranked."""
    extra = {"val_target_spearman": 0.78, "val_target_ranking_loss_of_length": 0.1304}
    for number, status in enumerate(("completed", "failed", "interrupted", "completed")):
        history = [epoch(0.0478 + number / 100, 0.75, extra)] * 140
        run_files(f"{LONG}_phase2_seed70{number}", history, status=status)
    run_files(f"{LONG}_phase2_seed704", [], status="failed")

    return lambda metric=None: ranked_by(clock, *run_files.root.iterdir(), metric=metric)


def ranked_by(clock: Any, *runs: Path, metric: str | None = None) -> Leaderboard:
    return leaderboard.rank([summary.read(RunPaths(run), clock) for run in runs], metric=metric)


def board(clock: Any, *runs: Path, width: int = 80) -> Table:
    return leaderboard_table.board_table(ranked_by(clock, *runs), limit=None, width=width)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("width", [80, 99, 100, 120, 200])
def test_one_line_per_run_with_the_end_of_its_name_and_its_metrics(
    ranked: Ranked, lines: Lines, width: int, metric: str | None
) -> None:
    table = leaderboard_table.board_table(ranked(metric), limit=None, width=width)
    heading, *rows = lines(table, width)
    assert len(rows) == 5
    assert "run" in heading
    for number, state in enumerate(("", "(failed)", "(interrupted)", "", "(failed)")):
        (row,) = [each for each in rows if f"seed70{number}" in each]
        assert f"seed70{number}  {state}".strip() in row
    best = next(row for row in rows if "seed700" in row)
    words = best.split()
    assert words[0] == "1"
    assert "…" not in best.replace(words[1], "")
    assert {"0.0478", "5:50"} < set(words)
    if metric is not None:
        row = ranked(metric).entries[0].best
        assert row is not None
        assert f"{row.metrics[metric]:.4f}" in words
    assert rows[-1].split()[0] == "-"


def test_a_wide_board_has_every_column(ranked: Ranked, lines: Lines) -> None:
    heading, *rows = lines(leaderboard_table.board_table(ranked(), limit=2, width=200), 200)
    columns = "run  selection  val_loss  rho  per-target rho  epoch  time"
    assert re.split(r"\s{2,}", heading.strip()) == columns.split("  ")
    assert len(rows) == 2  # the limit


@pytest.mark.parametrize("width", [80, 200])
def test_rho_replaces_a_missing_per_target_metric(
    run_files: Any, epoch: Any, clock: Any, lines: Lines, width: int
) -> None:
    run_files(f"{LONG}_theirs", [epoch(0.05, 0.25)], ranking_metric="val_loss")
    heading, row = lines(board(clock, *run_files.root.iterdir(), width=width), width)
    assert "rho" in heading.split()
    assert "t. rho" not in heading
    assert "per-target" not in heading
    assert "0.250" in row.split()


def test_unknown_values_are_dashes(tmp_path: Path, clock: Any, lines: Lines) -> None:
    history = [Measured(0.25, 0.5), Measured(0.25, 0.6)]
    document = {"completed": True, "selection": {"use_val_spearman": False}}
    run = write_legacy_run(tmp_path, "theirs", history, document=document, names="bare")
    (row,) = lines(board(clock, run), 80)[1:]
    assert row.split() == ["1", "theirs", "0.2500", "-", "-", "-", "-"]


def test_control_characters_are_replaced(tmp_path: Path, clock: Any, lines: Lines) -> None:
    run = write_legacy_run(tmp_path, "a\nb\x1b[31mc", [Measured(0.25)])
    assert lines(board(clock, run), 80)[1].split()[1] == "a?b?[31mc"


def test_a_short_name_is_not_cut(run_files: Any, clock: Any, lines: Lines) -> None:
    run = run_files("sched_boost_seed222_2026")
    for width in (80, 200):
        assert "sched_boost_seed222_2026 " in lines(board(clock, run, width=width), width)[1]


class TestClosingLines:
    def test_the_winner_s_path_is_the_checkpoint_shown(
        self, ranked: Ranked, run_files: Any
    ) -> None:
        for metric in ("val_loss", "selection_metric", "val_spearman_corr"):
            shown = ranked(metric)
            first, *_ = leaderboard_table.closing_lines(shown, run_files.root.parent)
            path = run_files.root.parent / first.removeprefix("Winner: ")
            winner = shown.winner()
            assert winner is not None
            assert winner.best is not None
            assert path.resolve() == winner.best.path.resolve()

    def test_ranked_by_val_loss_it_is_not_best_ckpt_of_another_metric(
        self, run_files: Any, epoch: Any, clock: Any
    ) -> None:
        run = run_files("r", [epoch(0.04, 0.1), epoch(0.06, 0.8)])
        ranked = ranked_by(clock, run, metric="val_loss")
        first, *_ = leaderboard_table.closing_lines(ranked, run)
        assert first == "Winner: model_checkpoints/best_val_loss.ckpt"

    @pytest.mark.parametrize("folder", ["", "history"])
    @pytest.mark.parametrize(
        ("name", "option"),
        [("training_runs", ""), ("mine", " --run-root mine"), ("my runs", " --run-root 'my runs'")],
    )
    def test_the_next_command_finds_the_same_runs(
        self, run_files: Any, epoch: Any, clock: Any, folder: str, name: str, option: str
    ) -> None:
        here = run_files.root.parent
        run_files.root = here / name
        run_files.root.mkdir(exist_ok=True)
        run = run_files("r", [epoch(0.04)], folder=folder)
        assert leaderboard_table.closing_lines(ranked_by(clock, run), here)[1:] == [
            f"Next:   topoqa-train monitor --run-id r{option}",
            f"        topoqa-train leaderboard{option}",
        ]

    def test_a_folder_that_the_environment_names_needs_no_option(
        self, run_files: Any, clock: Any
    ) -> None:
        ranked = ranked_by(clock, run_files("r"))
        here = run_files.root.parent
        lines = leaderboard_table.closing_lines(ranked, here, usual=run_files.root)
        assert lines[1] == "Next:   topoqa-train monitor --run-id r"
        run_files.root = here / "training_runs"
        other = ranked_by(clock, run_files("s"))
        lines = leaderboard_table.closing_lines(other, here, usual=here / "mine")
        assert lines[1].endswith("--run-id s --run-root training_runs")

    def test_names_are_quoted_for_a_shell(self, run_files: Any, clock: Any) -> None:
        ranked = ranked_by(clock, run_files("my run; rm"))
        line = leaderboard_table.closing_lines(ranked, run_files.root.parent)[1]
        assert shlex.split(line)[3:5] == ["--run-id", "my run; rm"]

    def test_a_path_outside_this_folder_is_absolute(self, ranked: Ranked, run_files: Any) -> None:
        first, *_ = leaderboard_table.closing_lines(ranked(), Path("/elsewhere"))
        assert str(run_files.root) in first

    def test_without_a_winner_there_are_none(self, run_files: Any, clock: Any) -> None:
        ranked = ranked_by(clock, run_files("r", [], status="failed"))
        assert leaderboard_table.closing_lines(ranked, Path("/")) == []
