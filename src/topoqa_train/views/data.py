"""What is said of data: which labels are of use, how many and how large their graphs are.

Plain data that workflows make and screens show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from topoqa_train.labels.label_table import LeftOut


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
    """Least, median and most of a count."""

    least: int
    median: int
    most: int


@dataclass(frozen=True)
class SplitStats:
    """One label file and its graphs; those left out are in none of the other figures.

    `nodes` and `edges` are a graph's, an edge in each direction counted; None where no label has a
    sound graph. `classes` counts decoys by CAPRI class. `memory_bytes` is what training holds.
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
    """Bytes of a batch of the mean size, of one of the largest graphs, and of a step with that one.

    The step is one of training on a CPU in 32 bit, network and optimizer included.
    """

    batch_size: int
    mean_bytes: int
    largest_bytes: int
    step_bytes: int
    network: str
    parameters: int


@dataclass(frozen=True)
class DataStats:
    """All splits of a data set and a batch of it; None where no split has a sound graph."""

    name: str
    graphs: Path
    node_dim: int | None
    edge_dim: int | None
    splits: tuple[SplitStats, ...]
    shared_targets: tuple[str, ...]
    batch: BatchMemory | None
