"""Does every label have its graph? Opens no graph."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Labels

_NAMED = 12


@dataclass(frozen=True)
class SplitCoverage:
    """How many of a split's `total` labels have a graph; `missing` names the others."""

    split: str
    total: int
    missing: tuple[str, ...] = ()

    @property
    def usable(self) -> int:
        """Labels with a graph."""
        return self.total - len(self.missing)

    @property
    def coverage(self) -> float:
        """Percent of the labels that have a graph."""
        return 100.0 * self.usable / self.total if self.total else 0.0


def cover(labels: Labels, index: GraphIndex) -> SplitCoverage:
    """Look for the graph of every label.

    Raises:
        DataError: several graphs answer to one label.
    """
    missing = tuple(row.model for row in labels.rows if index.find(row.model) is None)
    return SplitCoverage(labels.split, len(labels.rows), missing)


def coverage_document(coverages: Iterable[SplitCoverage]) -> dict[str, Any]:
    """What stands in dataset_coverage.json, by split."""
    return {
        part.split: {
            "total": part.total,
            "usable": part.usable,
            "coverage": part.coverage,
            "missing": list(part.missing),
        }
        for part in coverages
    }


def check_coverage(
    coverages: Sequence[SplitCoverage],
    *,
    minimum_percent: float,
    fail_on_missing: bool,
    report_path: Path | None = None,
) -> None:
    """Stop where a split has too few graphs, in percent (0 to 100), or misses any at all.

    A split without one graph is refused whatever is asked. `report_path` is where all the
    missing are listed, for the message.

    Raises:
        DataError: it names the splits, some of the decoys, and the ways out.
    """
    short = [
        part
        for part in coverages
        if part.coverage < minimum_percent or (fail_on_missing and part.missing) or part.usable == 0
    ]
    if not short:
        return
    required = 100.0 if fail_on_missing else minimum_percent
    lines = [line for part in short for line in (_sentence(part, required), _names(part))]
    raise DataError(lines[0], details=lines[1:], hint=_ways_out(short, report_path))


def _sentence(part: SplitCoverage, required: float) -> str:
    return (
        f"{part.split}: {len(part.missing)} of {part.total} labelled decoys have no graph "
        f"(coverage {_percent(part.coverage)} %, required {required:g} %)"
    )


def _percent(value: float) -> str:
    """Rounded down, so that only a full coverage reads 100."""
    return f"{math.floor(value * 100) / 100:.2f}".removesuffix(".00")


def _names(part: SplitCoverage) -> str:
    named = "  ".join(part.missing[:_NAMED])
    more = len(part.missing) - _NAMED
    return f"  {named}" + (f"  and {more} more" if more > 0 else "")


def _ways_out(short: Sequence[SplitCoverage], report_path: Path | None) -> str:
    ways = ["Build them:   topoqa-train graphs build --structures ... --out ..."]
    lowest = math.floor(min(part.coverage for part in short))
    if all(part.usable for part in short):
        ways.append(
            f"Or go on without them:   -o coverage.minimum_percent={_as_option(lowest)} "
            "-o coverage.fail_on_missing=false"
        )
    if report_path is not None:
        ways.append(f"All of them: {report_path}")
    return "\n".join(ways)


def _as_option(percent: int) -> int:
    # 1 would be read as a ratio, that is as all of them.
    return percent if percent > 1 else 0
