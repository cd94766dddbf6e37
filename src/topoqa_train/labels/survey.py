"""Labels, graphs and coverage without opening a graph: what can be checked without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from topoqa_train.labels.coverage import SplitCoverage, cover
from topoqa_train.labels.graph_index import GraphIndex
from topoqa_train.labels.label_file import Labels, read_labels


@dataclass(frozen=True)
class Survey:
    """The labels of each split, the graphs there are, and how the one covers the other."""

    labels: Mapping[str, Labels]
    index: GraphIndex
    coverage: tuple[SplitCoverage, ...]

    @property
    def targets(self) -> int:
        """Number of different targets over all splits."""
        return len({row.target for part in self.labels.values() for row in part.rows})

    def shared_targets(self) -> list[str]:
        """Targets that stand in more than one split, where they spoil what val and test say."""
        return shared_targets(self.labels.values())


def shared_targets(splits: Iterable[Labels]) -> list[str]:
    """Targets that stand in more than one of these splits, sorted."""
    seen: dict[str, set[str]] = {}
    for part in splits:
        for row in part.rows:
            seen.setdefault(row.target, set()).add(part.split)
    return sorted(target for target, names in seen.items() if len(names) > 1)


def survey(label_files: Mapping[str, Path], graph_dir: Path) -> Survey:
    """Read the label files of the splits and look for the graph of every label.

    Raises:
        DataError: a label file or the folder of graphs can't be used.
    """
    labels = {split: read_labels(path, split=split) for split, path in label_files.items()}
    index = GraphIndex.scan(graph_dir)
    coverage = tuple(cover(part, index) for part in labels.values())
    return Survey(labels, index, coverage)
