"""Loading of label files and graphs into splits in memory, with all checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topoqa_train import atomic
from topoqa_train.labels.coverage import SplitCoverage, check_coverage, coverage_document, scan_data
from topoqa_train.training.data.dataset import GraphDataset, load_splits
from topoqa_train.training.data.fingerprint import Fingerprint, fingerprint
from topoqa_train.training.data.schema import FeatureSchema, find_schema

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class LoadedData:
    """The splits of one data set, with every labelled graph that exists.

    `left_out` counts the rows in each split's labels without a finite dockq.
    """

    train: GraphDataset
    val: GraphDataset
    test: GraphDataset | None
    schema: FeatureSchema
    coverage: tuple[SplitCoverage, ...]
    left_out: Mapping[str, int]
    fingerprint: Fingerprint
    files: tuple[Path, ...]
    stamp: Stamp

    def counts(self) -> dict[str, int]:
        """Return the number of graphs of each split."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        return {name: len(split) for name, split in splits.items() if split is not None}

    def coverage_percent(self) -> dict[str, float]:
        """Return the coverage of each split in percent."""
        return {part.split: part.coverage for part in self.coverage}

    def coverage_document(self) -> dict[str, Any]:
        """Return the content of dataset_coverage.json."""
        return coverage_document(self.coverage)

    def current_stamp(self) -> Stamp:
        """Return sizes and times of all files now; differs from `stamp` after a change."""
        return _stamp(self.files)


def load_data(
    label_files: Mapping[str, Path],
    *,
    graph_dir: Path,
    metadata_path: Path | None = None,
    summary_path: Path | None = None,
    minimum_percent: float = 100.0,
    fail_on_missing: bool = True,
    coverage_path: Path | None = None,
    on_graph: Callable[[int, int], None] | None = None,
) -> LoadedData:
    """Read and check everything.

    `label_files` has `train`, `val` and optionally `test`. `on_graph` is called before each graph
    with the number of labels done and of all labels, and may raise to stop. The coverage is
    written to `coverage_path` before it is checked, so that a refused user has the whole list of
    missing graphs.

    Raises:
        DataError: labels, graphs, schema or coverage are unusable for training.
    """
    found = scan_data(label_files, graph_dir)
    if coverage_path is not None:
        atomic.write_json(coverage_path, coverage_document(found.coverage))
    check_coverage(
        found.coverage,
        minimum_percent=minimum_percent,
        fail_on_missing=fail_on_missing,
        report_path=coverage_path,
    )
    splits = load_splits(found.labels, found.index, on_graph)
    schema = find_schema(
        list(splits.values()), graph_dir, metadata_path=metadata_path, summary_path=summary_path
    )
    builder_files = (schema.metadata_path, schema.summary_path)
    files = (
        *label_files.values(),
        *(path for split in splits.values() for path in split.paths),
        *(path for path in builder_files if path is not None),
    )
    return LoadedData(
        train=splits["train"],
        val=splits["val"],
        test=splits.get("test"),
        schema=schema,
        coverage=found.coverage,
        left_out={split: part.left_out for split, part in found.labels.items()},
        fingerprint=fingerprint(found.labels.values(), found.index),
        files=files,
        stamp=_stamp(files),
    )


def _stamp(files: tuple[Path, ...]) -> Stamp:
    stamps = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            stamps.append((str(path), -1, -1))
            continue
        stamps.append((str(path), status.st_size, status.st_mtime_ns))
    return tuple(stamps)
