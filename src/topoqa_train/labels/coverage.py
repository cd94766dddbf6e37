"""Labels against graph files, without opening a graph and without torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train.errors import DataError
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Labels, read_labels

_MAX_SHOWN = 12


@dataclass(frozen=True)
class SplitCoverage:
    """Coverage of a split's `total` labels; `missing` names those without a graph."""

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


def coverage_of(labels: Labels, index: GraphIndex) -> SplitCoverage:
    """Look for the graph of every label.

    Raises:
        DataError: several graphs answer to one label.
    """
    missing = tuple(row.model for row in labels.rows if index.find(row.model) is None)
    return SplitCoverage(labels.split, len(labels.rows), missing)


@dataclass(frozen=True)
class DataScan:
    """The labels of each split, the graph files, and the coverage of the labels by graphs."""

    labels: Mapping[str, Labels]
    index: GraphIndex
    coverage: tuple[SplitCoverage, ...]

    @property
    def targets(self) -> int:
        """Number of different targets over all splits."""
        return len({row.target for part in self.labels.values() for row in part.rows})

    def shared_targets(self) -> list[str]:
        """Return the targets in more than one split: decoys of one target bias val and test."""
        return shared_targets(self.labels.values())


def shared_targets(splits: Iterable[Labels]) -> list[str]:
    """Return the targets that are in more than one of these splits, sorted."""
    seen: dict[str, set[str]] = {}
    for part in splits:
        for row in part.rows:
            seen.setdefault(row.target, set()).add(part.split)
    return sorted(target for target, names in seen.items() if len(names) > 1)


def scan_data(label_files: Mapping[str, Path], graph_dir: Path) -> DataScan:
    """Read the label files of the splits and look for the graph of every label.

    Raises:
        DataError: a label file or the folder of graphs can't be used.
    """
    labels = {split: read_labels(path, split=split) for split, path in label_files.items()}
    index = GraphIndex.scan(graph_dir)
    coverage = tuple(coverage_of(part, index) for part in labels.values())
    return DataScan(labels, index, coverage)


def coverage_document(coverages: Iterable[SplitCoverage]) -> dict[str, Any]:
    """Return the content of dataset_coverage.json."""
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
    """Refuse a split with too few graphs, in percent (0 to 100), or with any missing.

    A split without any graph is always refused. `report_path` is the file that lists all missing
    graphs, for the message.

    Raises:
        DataError: with the splits, some of the decoys, and what to do.
    """
    short = [
        part
        for part in coverages
        if part.coverage < minimum_percent or (fail_on_missing and part.missing) or part.usable == 0
    ]
    if not short:
        return
    required = 100.0 if fail_on_missing else minimum_percent
    lines = [line for part in short for line in (_shortage(part, required), _names(part))]
    raise DataError(lines[0], details=lines[1:], hint=_hint(short, report_path))


def _shortage(part: SplitCoverage, required: float) -> str:
    return (
        f"{part.split}: {len(part.missing)} of {part.total} labelled decoys have no graph "
        f"(coverage {_percent(part.coverage)} %, required {required:g} %)"
    )


def _percent(value: float) -> str:
    """Return the percentage rounded down, so that only full coverage shows as 100."""
    return f"{math.floor(value * 100) / 100:.2f}".removesuffix(".00")


def _names(part: SplitCoverage) -> str:
    named = "  ".join(part.missing[:_MAX_SHOWN])
    more = len(part.missing) - _MAX_SHOWN
    return f"  {named}" + (f"  and {more} more" if more > 0 else "")


def _hint(short: Sequence[SplitCoverage], report_path: Path | None) -> str:
    ways = ["Build them:   topoqa-train graphs build --structures ... --out ..."]
    lowest = math.floor(min(part.coverage for part in short))
    if all(part.usable for part in short):
        ways.append(
            f"Or train without them:   -o coverage.minimum_percent={_as_option(lowest)} "
            "-o coverage.fail_on_missing=false"
        )
    if report_path is not None:
        ways.append(f"All of them: {report_path}")
    return "\n".join(ways)


def _as_option(percent: int) -> int:
    # The config reads 1 as a ratio, that is as 100 %.
    return percent if percent > 1 else 0
