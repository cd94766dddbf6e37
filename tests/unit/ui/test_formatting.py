from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from topoqa_train.ui import formatting

NUMBERS: dict[Callable[..., str], dict[float | None, str]] = {
    formatting.duration: {
        -5: "0:00", 0: "0:00", 6.6: "0:07", 59.6: "1:00", 754: "12:34",
        3599.7: "1:00:00", 3723: "1:02:03", 360_000: "100:00:00",
    },
    formatting.approximate: {
        0: "1 s", 50: "50 s", 89.4: "89 s", 90: "2 min", 360: "6 min", 5940: "99 min",
        6000: "1 h 40 min", 7800: "2 h 10 min",
    },
    formatting.number: {
        None: "-", math.nan: "-", math.inf: "-", 0.5: "0.500", -0.67149: "-0.671",
    },
    # Rounded down: only all is 100 %.
    formatting.percent: {100.0: "100 %", 99.999: "99.99 %", 95.3125: "95.31 %", 0.0: "0 %"},
    formatting.size: {
        0: "0 B", 999: "999 B", 1000: "1.0 KiB", 3.5 * 2**20: "3.5 MiB", 250 * 2**20: "250 MiB",
        2**60: "1048576 TiB",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("format_", "value", "shown"),
    [(format_, *case) for format_, cases in NUMBERS.items() for case in cases.items()],
)
def test_numbers(format_: Callable[..., str], value: float | None, shown: str) -> None:
    assert format_(value) == shown


def test_splits_are_added_up_in_their_order() -> None:
    assert formatting.splits({"test": 64, "train": 256, "val": 64}) == "384 graphs (256/64/64)"
    assert formatting.splits({"train": 10, "val": 2}) == "12 graphs (10/2)"


@given(done=st.floats(-0.5, 1.5), width=st.integers(1, 40))
def test_a_bar_has_its_width_and_is_full_only_at_the_end(done: float, width: int) -> None:
    shown = formatting.bar(done, width)
    assert cell_len(shown) == len(shown) == width
    assert (shown == "━" * width) == (int(done * width) >= width)


def test_a_bar_grows() -> None:
    assert formatting.bar(0.0, 4) == "╺┄┄┄"
    assert formatting.bar(0.5, 4) == "━━╺┄"
    assert formatting.bar(1.0, 4) == "━━━━"


@given(name=st.text(max_size=50), width=st.integers(1, 40))
def test_a_name_keeps_its_end(name: str, width: int) -> None:
    shown = formatting.keep_end(name, width)
    assert len(shown) <= width
    if len(name) <= width:
        assert shown == name
    else:
        assert shown[0] == "…"
        assert name.endswith(shown[1:])


def sparkline(values: Sequence[float], width: int) -> str:
    (line,) = formatting.plot(values, width, 1)
    return line


def test_a_sparkline_runs_from_least_to_greatest() -> None:
    assert sparkline([1.0, 2.0, math.nan, 3.0], 10) == "▁▄ █"
    assert sparkline([5.0, 5.0], 10) == "▁▁"
    assert sparkline([], 10) == sparkline([math.nan], 10) == ""


def test_more_values_than_width_are_drawn_as_means_of_neighbours() -> None:
    assert sparkline([1.0, 1.0, 5.0, 5.0, 3.0], 3) == "▁█▄"
    assert sparkline([1.0, math.nan, 5.0, 5.0], 2) == "▁█"


@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=80),
    width=st.integers(1, 30),
    height=st.integers(1, 5),
)
def test_a_plot_stays_in_its_frame(values: list[float], width: int, height: int) -> None:
    lines = formatting.plot(values, width, height)
    assert len(lines) == height
    assert all(len(line) == cell_len(line) <= width for line in lines)
    assert len({len(line) for line in lines}) == 1


def test_a_plot_is_filled_from_below_up_to_each_value() -> None:
    assert formatting.plot([0.0, 7.0, 8.0, 15.0], 4, 2) == ["  ▁█", "▁███"]


def test_values_outside_the_span_are_clipped() -> None:
    assert formatting.plot([-9.0, 0.0, 7.0, 99.0], 4, 1, (0.0, 7.0)) == ["▁▁██"]
    assert formatting.plot([1.0, 2.0], 4, 1, (3.0, 3.0)) == ["▁▁"]


def test_columns_stay_while_values_are_appended() -> None:
    values = [float(number % 5) for number in range(40)]
    before, after = sparkline(values[:33], 10), sparkline(values[:36], 10)
    assert before[:8] == after[:8]
