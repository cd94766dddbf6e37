"""Print plans, leaderboards and outcomes on standard output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.store import root_of_runs
from topoqa_train.ui import console
from topoqa_train.ui.tables import leaderboard
from topoqa_train.ui.tables import outcomes as outcomes_table
from topoqa_train.ui.tables import plan as plan_table
from topoqa_train.views.progress import JobOutcome, Plan


def plan(shown: Plan, notes: Sequence[str]) -> None:
    """Print a plan, and its notes on standard error."""
    for line in notes:
        console.notify(line)
    out = console.out()
    # Long paths stay in one piece; a terminal wraps them if it must.
    out.print(plan_table.plan_table(shown, Path.cwd(), out.width), soft_wrap=True)


def outcomes(jobs: Sequence[JobOutcome], board: Leaderboard) -> None:
    """Print the outcome of each job, and the path of the best."""
    out = console.out()
    for line in outcomes_table.outcome_lines(jobs, Path.cwd(), out.width):
        out.print(line, soft_wrap=True)
    _closing_lines(board)


def board(ranked: Leaderboard, limit: int | None = None) -> None:
    """Print a leaderboard and the winner's path."""
    out = console.out()
    out.print(leaderboard.board_table(ranked, limit=limit, width=out.width))
    _closing_lines(ranked)


def _closing_lines(board: Leaderboard) -> None:
    out = console.out()
    for line in board.notes:
        console.notify(line)
    for line in leaderboard.closing_lines(board, Path.cwd(), root_of_runs(None)):
        out.print(line, markup=False, soft_wrap=True)
