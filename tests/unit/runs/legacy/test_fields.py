from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from topoqa_train.runs.legacy import fields as fields

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
MOMENT = datetime(2025, 11, 3, 9, 15, 2, tzinfo=UTC)


class TestMoment:
    @pytest.mark.parametrize(
        "value",
        [
            "2025-11-03T09:15:02+00:00",
            "2025-11-03T09:15:02Z",
            "2025-11-03 10:15:02+01:00",
            "  2025-11-03T09:15:02+0000 ",
            1762161302,
            1762161302.0,
            "1762161302",
            1762161302000,
            {"utc": "2025-11-03T09:15:02Z"},
            {"note": "x", "at": 1762161302},
        ],
    )
    def test_spellings(self, value: object) -> None:
        assert fields.moment(value) == MOMENT

    @pytest.mark.parametrize(
        "value",
        [
            "2025-11-03T09:15:02",
            "2025-11-03 09:15:02",
            "2025-11-03_09-15-02",
            "Mon Nov  3 09:15:02 2025",
        ],
    )
    def test_without_a_zone_it_is_of_this_machine(self, value: str) -> None:
        assert fields.moment(value) == datetime(2025, 11, 3, 9, 15, 2).astimezone()

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "",
            "soon",
            True,
            [],
            {},
            math.nan,
            math.inf,
            -1,
            0,
            1,
            5e7,
            1e300,
            "2025-13-45",
            b"2025",
        ],
    )
    def test_what_is_none(self, value: object) -> None:
        assert fields.moment(value) is None

    @given(value=ANYTHING)
    def test_anything_is_a_moment_or_none(self, value: Any) -> None:
        found = fields.moment(value)
        assert found is None or found.tzinfo is not None

    def test_a_run_s_name_tells_when_it_was_made(self) -> None:
        found = fields.stamp("sched_boost_seed222_2025-11-03_09-15-02")
        assert found == datetime(2025, 11, 3, 9, 15, 2).astimezone()
        assert fields.stamp("sched_boost_2025-99-03_09-15-02") is None
        assert fields.stamp("sched_boost_seed222") is None


class TestDuration:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            (12, 12.0),
            (12.5, 12.5),
            ("12.5", 12.5),
            ("2:05", 125.0),
            ("1:02:03", 3723.0),
            ("01:02:03.5", 3723.5),
            ("1 day, 1:00:00", 90000.0),
            ("2 days, 0:00:10", 172810.0),
            ("1h 2m 3s", 3723.0),
            ("2 hours 5 minutes", 7500.0),
            ("90 s", 90.0),
            ("1.5 hours", 5400.0),
            (0, 0.0),
        ],
    )
    def test_spellings(self, value: object, seconds: float) -> None:
        assert fields.duration(value) == seconds

    @pytest.mark.parametrize(
        "value", [None, "", "long", True, [1], {}, math.nan, math.inf, -3, "-3", "1e999", "1:2:3:4"]
    )
    def test_what_is_none(self, value: object) -> None:
        assert fields.duration(value) is None

    @given(value=ANYTHING | st.from_regex(r"[0-9dhms:., ]{0,12}", fullmatch=True))
    def test_anything_is_a_time_or_none(self, value: Any) -> None:
        found = fields.duration(value)
        assert found is None or 0 <= found < math.inf


@pytest.mark.parametrize("value", [True, "true", "Yes", "ON", 1, "1", 1.0])
def test_what_means_true(value: object) -> None:
    assert fields.truth(value) is True


@pytest.mark.parametrize("value", [False, "false", "No", "off", 0, "0", "none", ""])
def test_what_means_false(value: object) -> None:
    assert fields.truth(value) is False


@pytest.mark.parametrize("value", [None, "maybe", [], {}, 7, math.nan])
def test_what_means_neither(value: object) -> None:
    assert fields.truth(value) is None


def test_walking_sees_what_is_on_top_first_and_ends() -> None:
    nested: dict[str, Any] = {"a": {"a": 2, "b": {"a": 3}}, "c": 1}
    assert [key for key, _ in fields.walk(nested)] == ["a", "c", "a", "b", "a"]
    endless: dict[str, Any] = {}
    endless["self"] = endless
    assert len(list(fields.walk(endless))) < 100
