from __future__ import annotations

from pathlib import Path

import pytest

from topoqa_train.errors import DataError
from topoqa_train.labels.coverage import (
    SplitCoverage,
    check_coverage,
    coverage_document,
    coverage_of,
)
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Label, Labels

SCREEN = SplitCoverage("val", 64, ("1ABC_004", "1ABC_007", "2XYZ_011"))
FULL = SplitCoverage("train", 256)


def labels(*models: str) -> Labels:
    rows = tuple(Label(model, 0.5, "t", line) for line, model in enumerate(models, start=2))
    return Labels("val", Path("val.csv"), rows)


def test_every_label_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.pt").write_bytes(b"")
    (tmp_path / "c.pt").write_bytes(b"")
    part = coverage_of(labels("a__b", "x", "c", "y"), GraphIndex.scan(tmp_path))
    assert part == SplitCoverage("val", 4, ("x", "y"))
    assert (part.usable, part.coverage) == (2, 50.0)


def test_the_document_has_all_the_missing() -> None:
    assert coverage_document([FULL, SCREEN]) == {
        "train": {"total": 256, "usable": 256, "coverage": 100.0, "missing": []},
        "val": {
            "total": 64,
            "usable": 61,
            "coverage": 95.3125,
            "missing": ["1ABC_004", "1ABC_007", "2XYZ_011"],
        },
    }


def test_falling_short_says_what_where_and_the_ways_out(tmp_path: Path) -> None:
    report = tmp_path / "dataset_coverage.json"
    with pytest.raises(DataError) as caught:
        check_coverage(
            [FULL, SCREEN], minimum_percent=100, fail_on_missing=True, report_path=report
        )
    error = caught.value
    assert error.message == (
        "val: 3 of 64 labelled decoys have no graph (coverage 95.31 %, required 100 %)"
    )
    assert error.details == ("  1ABC_004  1ABC_007  2XYZ_011",)
    assert (error.hint or "").splitlines() == [
        "Build them:   topoqa-train graphs build --structures ... --out ...",
        "Or train without them:   -o coverage.minimum_percent=95 -o coverage.fail_on_missing=false",
        f"All of them: {report}",
    ]


def test_the_way_out_is_one() -> None:
    check_coverage([FULL, SCREEN], minimum_percent=95, fail_on_missing=False)


@pytest.mark.parametrize(
    ("minimum", "fail", "passes"),
    [(95.3125, False, True), (95.32, False, False), (0, True, False), (0, False, True)],
)
def test_both_conditions_hold(minimum: float, fail: bool, passes: bool) -> None:
    if passes:
        check_coverage([SCREEN], minimum_percent=minimum, fail_on_missing=fail)
        return
    with pytest.raises(DataError, match="val: 3 of 64"):
        check_coverage([SCREEN], minimum_percent=minimum, fail_on_missing=fail)


def test_full_coverage_passes_whatever_is_required() -> None:
    check_coverage([FULL], minimum_percent=100, fail_on_missing=True)


def test_several_splits_and_many_missing() -> None:
    many = SplitCoverage("train", 1000, tuple(f"m_{number}" for number in range(30)))
    with pytest.raises(DataError) as caught:
        check_coverage([many, SCREEN], minimum_percent=100, fail_on_missing=False)
    lines = [caught.value.message, *caught.value.details]
    assert lines[0].startswith("train: 30 of 1000")
    assert lines[1].endswith("m_11  and 18 more")
    assert lines[2].startswith("val: 3 of 64")
    assert "minimum_percent=95" in (caught.value.hint or "")


def test_nearly_all_never_reads_as_all() -> None:
    nearly = SplitCoverage("train", 100_000, ("x",))
    with pytest.raises(DataError, match=r"coverage 99\.99 %"):
        check_coverage([nearly], minimum_percent=100, fail_on_missing=True)


def test_a_suggested_percent_is_never_read_as_a_ratio() -> None:
    few = SplitCoverage("val", 200, tuple(f"m_{number}" for number in range(197)))
    with pytest.raises(DataError) as caught:
        check_coverage([few], minimum_percent=100, fail_on_missing=True)
    assert "minimum_percent=0 " in (caught.value.hint or "")


def test_nothing_at_all_is_refused_and_offers_no_way_around() -> None:
    none = SplitCoverage("val", 2, ("a", "b"))
    with pytest.raises(DataError, match="val: 2 of 2") as caught:
        check_coverage([FULL, none], minimum_percent=0, fail_on_missing=False)
    assert "train without" not in (caught.value.hint or "")
