"""Small things that several screens show the same way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len

_BLOCKS = "▁▂▃▄▅▆▇█"
SPLITS = ("train", "val", "test")


def duration(seconds: float) -> str:
    """`0:07`, `12:34`, `1:02:03`."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def rough(seconds: float) -> str:
    """`50 s`, `6 min`, `2 h 10 min`: for what is only guessed."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def figure(value: float | None, digits: int = 3) -> str:
    """A number with fixed digits; `-` where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.{digits}f}"


def splits(graphs: Mapping[str, int]) -> str:
    """`384 graphs (256/64/64)`."""
    return f"{sum(graphs[name] for name in SPLITS if name in graphs)} graphs ({counts(graphs)})"


def counts(graphs: Mapping[str, int]) -> str:
    """`256/64/64`: train, val and test, as far as they are there."""
    return "/".join(str(graphs[name]) for name in SPLITS if name in graphs)


def percent(value: float) -> str:
    """`100 %`, `95.31 %`; never rounded up to a whole that it is not."""
    if value == int(value):
        return f"{int(value)} %"
    return f"{math.floor(value * 100) / 100:.2f} %"


def size(count: int) -> str:
    """`512 B`, `3.4 MiB`, `1.2 GiB`."""
    value, units = float(count), ["TiB", "GiB", "MiB", "KiB", "B"]
    while value >= 1000 and len(units) > 1:
        value /= 1024
        units.pop()
    digits = 0 if units[-1] == "B" or value >= 100 else 1
    return f"{value:.{digits}f} {units[-1]}"


def bar(done: float, width: int) -> str:
    """A bar of `width` cells, `done` from 0 to 1, readable without colour."""
    filled = min(width, max(0, int(done * width)))
    if filled == width:
        return "━" * width
    return "━" * filled + "╺" + "┄" * (width - filled - 1)


def tail(name: str, width: int) -> str:
    """The end of a name that is too long: there the names of runs differ."""
    return name if len(name) <= width else "…" + name[len(name) - width + 1 :]


def room(width: int, rows: Iterable[Sequence[str]], gap: int) -> int:
    """What is left of `width` for one more column beside those of `rows`, `gap` between any two."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return width - sum(widths) - gap * len(widths)


def sparkline(values: Sequence[float], width: int) -> str:
    """All of `values` in at most `width` blocks; see `plot`."""
    return plot(values, width, 1)[0]


def plot(
    values: Sequence[float], width: int, height: int, span: tuple[float, float] | None = None
) -> list[str]:
    """`values` as columns of blocks, top line first.

    They reach from the least to the greatest, or over `span`, whose ends hold what lies beyond.
    Where they are more than `width`, each column is the mean of as many neighbours; what is drawn
    stays as it is while values are added, until they have to be drawn together anew. A column
    without a finite value is empty.
    """
    each = max(1, math.ceil(len(values) / width))
    columns = [_mean(values[start : start + each]) for start in range(0, len(values), each)]
    finite = [value for value in columns if value is not None]
    if not finite:
        return [""] * height
    low, high = span or (min(finite), max(finite))
    steps = len(_BLOCKS) * height - 1
    scale = steps / (high - low) if high > low else 0.0
    levels = [
        None if value is None else int((min(max(value, low), high) - low) * scale)
        for value in columns
    ]
    return ["".join(_block(level, row) for level in levels) for row in reversed(range(height))]


def _mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else None


def _block(level: int | None, row: int) -> str:
    """What a column that reaches up to `level` shows in `row`, counted from below."""
    above = -1 if level is None else level - row * len(_BLOCKS)
    return " " if above < 0 else _BLOCKS[min(above, len(_BLOCKS) - 1)]
