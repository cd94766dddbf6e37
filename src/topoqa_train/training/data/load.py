"""From label files and a folder of graphs to splits in memory, checked all through."""

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
    """The splits of one data set; every labelled graph that is there is in them.

    `left_out` counts the rows of each split's labels that have no finite dockq.
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

    `on_graph` is called before each graph with the number of labels looked at and of all there
    are, and may raise to stop.

    `label_files` has `train`, `val` and perhaps `test`. `coverage_path`, where given, gets the
    coverage of all splits before it is held against what is required, so that the whole list of
    missing graphs is at hand when it falls short.

    Raises:
        DataError: labels, graphs, schema or coverage are not fit to train on.
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
    described = (schema.metadata_path, schema.summary_path)
    files = (
        *label_files.values(),
        *(path for split in splits.values() for path in split.paths),
        *(path for path in described if path is not None),
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
