"""Statistics of a data set, as plain data: usable labels, and number and size of their graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from topoqa_train.labels.label_file import LeftOut


@dataclass(frozen=True)
class FilterReport:
    """What a filter kept of `source` in `out`."""

    source: Path
    graphs: Path
    out: Path
    kept: int
    left_out: tuple[LeftOut, ...]
    rejects: Path | None = None

    @property
    def total(self) -> int:
        """Rows of the source."""
        return self.kept + len(self.left_out)


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum of a count."""

    least: int
    median: int
    most: int


@dataclass(frozen=True)
class SplitStats:
    """One label file and its graphs; labels that are left out count nowhere else.

    `nodes` and `edges` are per graph, each direction of an edge counted; None if no label has a
    valid graph. `classes` counts decoys by CAPRI class. `memory_bytes` is what training holds.
    """

    split: str
    labels: Path
    targets: int
    decoys: int
    nodes: Spread | None
    edges: Spread | None
    classes: Mapping[str, int]
    memory_bytes: int
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class BatchMemory:
    """Bytes of a batch of mean size, of one of the largest graphs, and of a step with the latter.

    The step is a training step on a CPU in 32 bit, with network and optimizer.
    """

    batch_size: int
    mean_bytes: int
    largest_bytes: int
    step_bytes: int
    network: str
    parameters: int


@dataclass(frozen=True)
class DataStats:
    """All splits of a data set and a batch of it; None if no split has a valid graph."""

    name: str
    graphs: Path
    node_dim: int | None
    edge_dim: int | None
    splits: tuple[SplitStats, ...]
    shared_targets: tuple[str, ...]
    batch: BatchMemory | None
