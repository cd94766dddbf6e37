"""Formats for durations, sizes, numbers, bars and plots that several screens share."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.table import Table

_BLOCKS = "▁▂▃▄▅▆▇█"
SPLITS = ("train", "val", "test")


def duration(seconds: float) -> str:
    """Format as `0:07`, `12:34` or `1:02:03`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def approximate(seconds: float) -> str:
    """Format an estimate as `50 s`, `6 min` or `2 h 10 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def number(value: float | None, digits: int = 3) -> str:
    """Format with fixed digits; `-` for None and values that are not finite."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}f}"


def splits(graphs: Mapping[str, int]) -> str:
    """Format the graphs of each split as `384 graphs (256/64/64)`."""
    return f"{sum(graphs[name] for name in SPLITS if name in graphs)} graphs ({counts(graphs)})"


def counts(graphs: Mapping[str, int]) -> str:
    """Format the graphs of train, val and test, those that exist, as `256/64/64`."""
    return "/".join(str(graphs[name]) for name in SPLITS if name in graphs)


def percent(value: float) -> str:
    """Format as `100 %` or `95.31 %`, rounded down: only a full 100 reads as 100."""
    if value == int(value):
        return f"{int(value)} %"
    return f"{math.floor(value * 100) / 100:.2f} %"


def size(count: int) -> str:
    """Format bytes as `512 B`, `3.4 MiB` or `1.2 GiB`."""
    value, units = float(count), ["TiB", "GiB", "MiB", "KiB", "B"]
    # The next unit starts at 1000, not 1024: a number has three digits at the most.
    while value >= 1000 and len(units) > 1:
        value /= 1024
        units.pop()
    digits = 0 if units[-1] == "B" or value >= 100 else 1
    return f"{value:.{digits}f} {units[-1]}"


def plural(count: int, noun: str) -> str:
    """Format as `1 run` or `2 runs`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def bar(done: float, width: int) -> str:
    """Return a bar of `width` cells that is readable without colour; `done` is 0 to 1."""
    filled = min(width, max(0, int(done * width)))
    if filled == width:
        return "━" * width
    return "━" * filled + "╺" + "┄" * (width - filled - 1)


def keep_end(name: str, width: int) -> str:
    """Shorten `name` to `width` at its start: names of runs differ at their end."""
    return name if len(name) <= width else "…" + name[len(name) - width + 1 :]


def remaining_width(width: int, rows: Iterable[Sequence[str]], gap: int) -> int:
    """Return how wide one more column beside those of `rows` may be, with `gap` between columns."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return width - sum(widths) - gap * len(widths)


def plot(
    values: Sequence[float], width: int, height: int, span: tuple[float, float] | None = None
) -> list[str]:
    """Plot `values` as columns of blocks; returns the lines from the top.

    The plot reaches from the smallest to the greatest value or over `span`, to which values outside
    are clipped. If there are more than `width` values, each column is the mean of equally many
    neighbours, so columns stay as they are while values are appended, until that number grows.
    A column without a finite value is empty.
    """
    # Equally many per column, not the width divided: otherwise each new epoch would move all
    # columns, and a curve that is redrawn would flicker.
    per_column = max(1, math.ceil(len(values) / width))
    columns = [
        _mean(values[start : start + per_column]) for start in range(0, len(values), per_column)
    ]
    finite = [value for value in columns if value is not None]
    if not finite:
        return [""] * height
    low, high = span or (min(finite), max(finite))
    # The smallest value gets the lowest block, not an empty cell, which means "no value".
    steps = len(_BLOCKS) * height - 1
    scale = steps / (high - low) if high > low else 0.0
    levels = [
        None if value is None else int((min(max(value, low), high) - low) * scale)
        for value in columns
    ]
    return ["".join(_block(level, row) for level in levels) for row in reversed(range(height))]


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return statistics.fmean(finite) if finite else None


def _block(level: int | None, row: int) -> str:
    """Return the block in `row`, counted from the bottom, of a column that reaches `level`."""
    above = -1 if level is None else level - row * len(_BLOCKS)
    return " " if above < 0 else _BLOCKS[min(above, len(_BLOCKS) - 1)]


def table(
    headings: Iterable[str], left: Collection[str] = (), wrapped: Collection[str] = ()
) -> Table:
    """Return a table without lines.

    Only the columns in `left` are justified to the left, and only those in `wrapped` may get
    several lines in a row: Rich cuts the others where the terminal is too narrow.
    """
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(
            heading,
            justify="left" if heading in left else "right",
            no_wrap=heading not in wrapped,
            overflow="fold" if heading in wrapped else "ellipsis",
        )
    return made
