from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from topoqa_train.ui.tables.cleanup import clean_line, clean_table
from topoqa_train.views.cleanup import CleanPlan, Doomed, Spared

Lines = Callable[..., list[str]]
ROOT = Path("/runs")
NOON = datetime(2026, 1, 3, 12, tzinfo=UTC)


def run(name: str, size: int = 2**20, *reasons: str) -> Doomed:
    return Doomed(name, ROOT / name, "completed", NOON, size, reasons)


PLAN = CleanPlan(
    ROOT,
    (run("sched_boost_seed222_2026-01-03_10-00-00", 3 * 2**20, "41 days old"), run("b")),
    (Spared("c", "is what latest points at"),),
    ((ROOT / ".deleting_d_01", 2**19),),
    (),
)


def test_names_fit_eighty_columns(lines: Lines) -> None:
    shown = lines(clean_table(PLAN, 80), 80)
    assert shown[1].startswith("sched_boost_seed222_2026-01-03_10-00-00  3.0 MiB  completed 2026")
    assert any(line.startswith(".deleting_d_01 ") for line in shown)
    assert shown[-1] == "c is kept: it is what latest points at"
    wide = lines(clean_table(PLAN, 200), 200)
    assert wide[1].split("  ")[-1] == "completed 2026-01-03, 41 days old"


def test_a_very_long_name_is_wrapped_not_cut(lines: Lines) -> None:
    text = "\n".join(lines(clean_table(CleanPlan(ROOT, (run("x" * 128),), (), (), ()), 80), 80))
    assert text.count("x") == 128
    assert "completed" in text


def test_the_line_on_the_deletion() -> None:
    assert clean_line(PLAN, None) == "2 runs, 4.5 MiB. Nothing was deleted; add --yes to delete."
    assert clean_line(PLAN, 2) == "2 runs deleted, 4.5 MiB freed"
    one = CleanPlan(ROOT, (run("a"),), (), (), ())
    assert clean_line(one, None).startswith("1 run, 1.0 MiB.")
    assert clean_line(CleanPlan(ROOT, (), PLAN.spared, (), ()), None) == "nothing to delete"
