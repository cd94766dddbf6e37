from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from topoqa_train.clock import SystemClock, iso, stamp


@pytest.fixture
def ahead_of_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local time is two hours ahead of UTC."""
    monkeypatch.setenv("TZ", "XYZ-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("ahead_of_utc")
def test_names_bear_local_time() -> None:
    assert stamp(datetime(2026, 1, 31, 22, 59, 59, tzinfo=UTC)) == "2026-02-01_00-59-59"


@pytest.mark.usefixtures("ahead_of_utc")
def test_metadata_bears_utc_to_the_millisecond() -> None:
    elsewhere = timezone(timedelta(hours=5))
    moment = datetime(2026, 1, 31, 3, 0, 0, 123456, tzinfo=elsewhere)
    assert iso(moment) == "2026-01-30T22:00:00.123+00:00"
    assert datetime.fromisoformat(iso(moment)).utcoffset() == timedelta(0)


def test_iso_sorts_as_time_does() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    moments = [start + timedelta(milliseconds=step * 977) for step in range(50)]
    assert sorted(map(iso, moments)) == list(map(iso, moments))


def test_the_machine_s_clock_knows_its_zone_and_goes_forwards() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    first = clock.monotonic()
    assert clock.monotonic() >= first
