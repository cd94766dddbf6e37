from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from topoqa_train.labels.label_file import LeftOut, Reason
from topoqa_train.ui.tables.data import filter_lines, stats_tables
from topoqa_train.views.data import BatchMemory, DataStats, FilterReport, SplitStats, Spread

Lines = Callable[..., list[str]]
HERE = Path("/home/x")


def split(name: str, left_out: tuple[LeftOut, ...] = ()) -> SplitStats:
    classes = {"incorrect": 6000, "acceptable": 1500, "medium": 1400, "high": 100}
    nodes, edges = Spread(12, 54, 203), Spread(30, 230, 1552)
    return SplitStats(name, HERE / "x.csv", 140, 9000, nodes, edges, classes, 10**9, left_out)


BATCH = BatchMemory(16, 800_000, 1_200_000, 45_000_000, "proteingat", 115_345)


def test_stats_fit_eighty_columns(lines: Lines) -> None:
    stats = DataStats("demo", HERE, 172, 11, (split("train"), split("val")), (), BATCH)
    shown = lines(stats_tables(stats), 80)
    assert shown[0] == "demo: 172 columns per node, 11 per edge"
    assert shown[3].split() == [
        *("train", "140", "9000", "12", "to", "203", "54", "30", "to", "1552", "230"),
        *("954", "MiB"),
    ]
    assert "6000 (67 %)" in shown[7]
    assert any(line.startswith("a training step on those  42.9 MiB") for line in shown)


def test_unusable_rows_and_shared_targets_are_listed(lines: Lines) -> None:
    left_out = (LeftOut("1ABC_1", 7, Reason.NO_GRAPH),)
    shared = tuple(f"{n}ABC" for n in range(9))
    stats = DataStats("demo", HERE, 172, 11, (split("train", left_out),), shared, BATCH)
    shown = lines(stats_tables(stats), 80)
    assert "train: 1 of 9001 rows can't be used" in shown
    assert "  no graph: 1  (1ABC_1)" in shown
    assert "in more than one split: 9 targets (0ABC, 1ABC, 2ABC, 3ABC, 4ABC, 5ABC, ...)" in shown


def test_a_split_without_graphs(lines: Lines) -> None:
    empty = SplitStats("train", HERE, 0, 0, None, None, {"incorrect": 0}, 0, ())
    shown = lines(stats_tables(DataStats("x", HERE, None, None, (empty,), (), None)), 80)
    assert shown[0] == "x"
    assert shown[3].split() == ["train", "0", "0", "-", "-", "-", "-", "0", "B"]


def test_rejected_rows_by_reason() -> None:
    left_out = [LeftOut(f"1ABC_{n}", n, Reason.NO_GRAPH) for n in range(8)]
    left_out += [LeftOut("2XYZ_0", 9, Reason.BROKEN_GRAPH, "g/2XYZ_0.pt is damaged")]
    left_out += [LeftOut("", 11, Reason.NO_DOCKQ)]
    report = FilterReport(
        HERE / "a.csv", HERE / "g", HERE / "b.csv", 90, tuple(left_out), HERE / "bad.csv"
    )
    assert filter_lines(report, HERE) == [
        "b.csv: 90 of 100 rows kept",
        "  no graph: 8  (1ABC_0, 1ABC_1, 1ABC_2, 1ABC_3, 1ABC_4, 1ABC_5 and 2 more)",
        "  broken graph: 1",
        "    g/2XYZ_0.pt is damaged",
        "  no dockq: 1  (line 11)",
        "bad.csv: the rejected rows",
    ]
