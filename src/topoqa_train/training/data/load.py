"""From label files and a folder of graphs to splits in memory, checked all through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train import atomic
from topoqa_train.training.data.coverage import (
    SplitCoverage,
    check_coverage,
    cover,
    coverage_document,
)
from topoqa_train.training.data.dataset import GraphDataset, load_splits
from topoqa_train.training.data.fingerprint import fingerprint
from topoqa_train.training.data.index import GraphIndex
from topoqa_train.training.data.labels import Labels, read_labels
from topoqa_train.training.data.schema import FeatureSchema, find_schema

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class LoadedData:
    """The splits of one data set; every labelled graph that is there is in them."""

    train: GraphDataset
    val: GraphDataset
    test: GraphDataset | None
    schema: FeatureSchema
    coverage: tuple[SplitCoverage, ...]
    fingerprint: str
    files: tuple[Path, ...]
    stamp: Stamp

    def counts(self) -> dict[str, int]:
        """Number of graphs of each split."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        return {name: len(split) for name, split in splits.items() if split is not None}

    def coverage_percent(self) -> dict[str, float]:
        """Coverage of each split in percent."""
        return {part.split: part.coverage for part in self.coverage}

    def coverage_document(self) -> dict[str, Any]:
        """What stands in dataset_coverage.json."""
        return coverage_document(self.coverage)

    def current_stamp(self) -> Stamp:
        """Sizes and times of all files as they are now; differs from `stamp` after a change."""
        return _stamp(self.files)
