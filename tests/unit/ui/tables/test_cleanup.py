from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from topoqa_train.ui.tables.cleanup import clean_line, clean_table
from topoqa_train.views.cleanup import CleanPlan, Doomed, Spared

ROOT = Path("/runs")
NOON = datetime(2026, 1, 3, 12, tzinfo=UTC)


def run(name: str, size: int = 2**20, *reasons: str) -> Doomed:
    return Doomed(name, ROOT / name, "completed", NOON, size, reasons)


def drawn(plan: CleanPlan, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as capture:
        console.print(clean_table(plan, width))
    return [line.rstrip() for line in capture.get().splitlines()]


PLAN = CleanPlan(
    ROOT,
    (run("sched_boost_seed222_2026-01-03_10-00-00", 3 * 2**20, "41 days old"), run("b")),
    (Spared("c", "is what latest points at"),),
    ((ROOT / ".deleting_d_01", 2**19),),
    (),
)


def test_names_fit_eighty_columns() -> None:
    lines = drawn(PLAN, 80)
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("sched_boost_seed222_2026-01-03_10-00-00  3.0 MiB  completed 2026")
    assert any(line.startswith(".deleting_d_01 ") for line in lines)
    assert lines[-1] == "c is kept: it is what latest points at"


def test_one_line_per_run_on_a_wide_terminal() -> None:
    assert drawn(PLAN, 200)[1].split("  ")[-1] == "completed 2026-01-03, 41 days old"


def test_a_very_long_name_is_wrapped_not_cut() -> None:
    name = "x" * 128
    plan = CleanPlan(ROOT, (run(name),), (), (), ())
    lines = drawn(plan, 80)
    assert sum(line.count("x") for line in lines) == 128
    assert "completed" in "\n".join(lines)


def test_the_line_on_the_deletion() -> None:
    assert clean_line(PLAN, None) == "2 runs, 4.5 MiB. Nothing was deleted; add --yes to delete."
    assert clean_line(PLAN, 2) == "2 runs deleted, 4.5 MiB freed"
    one = CleanPlan(ROOT, (run("a"),), (), (), ())
    assert clean_line(one, None).startswith("1 run, 1.0 MiB.")
    assert clean_line(CleanPlan(ROOT, (), PLAN.spared, (), ()), None) == "nothing to delete"
