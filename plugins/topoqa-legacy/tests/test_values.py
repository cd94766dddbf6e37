from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topoqa_legacy import values

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "text",
    ["2025-11-03T09:15:02+00:00", "2025-11-03T09:15:02Z", "2025-11-03 10:15:02+01:00"],
)
def test_a_time_with_a_zone(text: str) -> None:
    assert values.moment(text) == datetime(2025, 11, 3, 9, 15, 2, tzinfo=UTC)


def test_a_time_without_a_zone_is_local() -> None:
    local = datetime(2025, 11, 3, 9, 15, 2).astimezone()
    assert values.moment("2025-11-03T09:15:02") == local
    assert values.moment_in_name("sched_boost_seed222_2025-11-03_09-15-02") == local
    assert values.moment_in_name("sched_boost_2025-99-03_09-15-02") is None
    assert values.moment_in_name("sched_boost_seed222") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), ("Yes", True), ("false", False), (" off ", False), ("maybe", None), (1, None)],
)
def test_switches(value: object, expected: bool | None) -> None:
    assert values.switch(value) is expected


@settings(deadline=None)
@given(value=ANYTHING)
def test_any_value_is_read_or_none(value: Any) -> None:
    moment, number = values.moment(value), values.number(value)
    assert moment is None or moment.tzinfo is not None
    assert number is None or math.isfinite(number)
    assert values.switch(value) in (True, False, None)
