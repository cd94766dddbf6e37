"""Statistics of a data set: targets, decoys, sizes of graphs, DockQ by CAPRI class, memory."""

from __future__ import annotations

import bisect
import dataclasses
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topoqa_train.config.models import ModelConfig, TrainingConfig
from topoqa_train.datasets import Progress
from topoqa_train.errors import RequestError
from topoqa_train.labels import label_file
from topoqa_train.labels.coverage import shared_targets
from topoqa_train.labels.graph_index import GraphIndex, graph_folder
from topoqa_train.labels.label_file import LabelTable, LeftOut, read_table
from topoqa_train.launch.job import DataFiles
from topoqa_train.views.data import BatchMemory, DataStats, SplitStats, Spread

if TYPE_CHECKING:
    from topoqa_train.training.data.audit import LabelledGraph
    from topoqa_train.training.data.dataset import GraphDataset

INCORRECT = "incorrect"
_DEFAULT_BATCH = 16


@dataclasses.dataclass(frozen=True)
class StatsRequest:
    """The data to examine, and the config and batch size for which memory is measured."""

    name: str
    graphs: Path
    labels: Mapping[str, Path]
    batch_size: int
    config: TrainingConfig | None = None


def of_config(files: DataFiles, config: TrainingConfig, batch_size: int | None) -> StatsRequest:
    """Return the request for the data of a config, which are in `files`."""
    size = batch_size or config.dataloader.batch_size
    return StatsRequest(files.title, files.graph, files.labels(), size, config)


def of_files(graphs: Path, labels: Sequence[Path], batch_size: int | None) -> StatsRequest:
    """Return the request for label files, each a split, on a folder of graphs; default network.

    Raises:
        RequestError: two label files have the same name, or there is none.
    """
    by_name = {path.stem: path for path in labels}
    if not labels or len(by_name) < len(labels):
        what = "two label files have one name" if labels else "name a label file with --labels"
        raise RequestError(what, hint="A split is called as its file: train.csv, val.csv.")
    for path in labels:
        label_file.require_file(path)
    folder = graph_folder(graphs)
    return StatsRequest(str(folder), folder, by_name, batch_size or _DEFAULT_BATCH)


def stats(request: StatsRequest, progress: Progress) -> DataStats:
    """Read the graph of every label and count.

    Labels without a valid graph are counted; they are no error.

    Raises:
        DataError: a label file or the folder of graphs can't be used.
    """
    from topoqa_train.training.data import audit

    tables = {split: read_table(path, split=split) for split, path in request.labels.items()}
    index = GraphIndex.scan(request.graphs)
    total = sum(len(table.labels.rows) for table in tables.values())
    with progress("reading graphs", total) as advance:
        audited = audit.audit_tables(tables, index, advance, keep=lambda item: item)
    datasets = {split: _dataset(split, part.kept) for split, part in audited.items() if part.kept}
    first = next(iter(datasets.values()), None)
    return DataStats(
        name=request.name,
        graphs=request.graphs,
        node_dim=None if first is None else first.node_dim,
        edge_dim=None if first is None else first.edge_dim,
        splits=tuple(
            _split(table, datasets.get(split), audited[split].left_out)
            for split, table in tables.items()
        ),
        shared_targets=tuple(shared_targets(table.labels for table in tables.values())),
        batch=_batch(list(datasets.values()), request, progress) if datasets else None,
    )


def _dataset(split: str, found: Sequence[LabelledGraph]) -> GraphDataset:
    from topoqa_train.training.data.dataset import GraphDataset

    return GraphDataset(
        split,
        [one.label for one in found],
        [one.path for one in found],
        [one.graph for one in found],
    )


def _split(table: LabelTable, dataset: GraphDataset | None, left_out: list[LeftOut]) -> SplitStats:
    graphs = [dataset.graph(place) for place in range(len(dataset))] if dataset else []
    rows = dataset.labels if dataset else ()
    return SplitStats(
        split=table.labels.split,
        labels=table.labels.path,
        targets=len({row.target for row in rows}),
        decoys=len(rows),
        nodes=_spread([graph.num_nodes for graph in graphs]),
        edges=_spread([graph.num_edges for graph in graphs]),
        classes=capri([row.dockq for row in rows]),
        memory_bytes=dataset.memory_bytes if dataset else 0,
        left_out=tuple(left_out),
    )


def _spread(counts: Sequence[int]) -> Spread | None:
    if not counts:
        return None
    return Spread(min(counts), statistics.median_low(counts), max(counts))


def capri(dockq: Sequence[float]) -> dict[str, int]:
    """Return how many values are of each CAPRI class, from `incorrect` up."""
    from topoqa_train.training.metrics import CLASSES

    names, bounds = [INCORRECT, *CLASSES], list(CLASSES.values())
    counts = Counter(names[bisect.bisect_right(bounds, value)] for value in dockq)
    return {name: counts[name] for name in names}


def _batch(
    datasets: Sequence[GraphDataset], request: StatsRequest, progress: Progress
) -> BatchMemory:
    """Measure the memory of a mean batch and of a batch of the largest graphs."""
    from topoqa_train.training import memory
    from topoqa_train.training.data.collate import collate
    from topoqa_train.training.model.build import ModelOptions, build_model

    samples = [dataset[place] for dataset in datasets for place in range(len(dataset))]
    # By edges first: each goes through every attention head, so edges cost more than nodes.
    largest = sorted(samples, key=lambda one: (-one.graph.num_edges, -one.graph.num_nodes))
    batch = collate(largest[: request.batch_size])
    model = request.config.model if request.config else ModelConfig()
    options = ModelOptions(
        attention_head=model.attention_head,
        pooling_type=model.pooling_type,
        extra=dict(model.options),
    )
    if request.config:
        layer_norm = request.config.edge_schema.use_layer_norm
        options = dataclasses.replace(options, use_layer_norm=layer_norm)
    widths = {"node_dim": datasets[0].node_dim, "edge_dim": datasets[0].edge_dim}
    with progress("measuring a training step", None):
        network = build_model(model.architecture, options, **widths)
        parameters = sum(weight.numel() for weight in network.parameters())
        step = memory.step_bytes(network, batch)
    held = sum(dataset.memory_bytes for dataset in datasets)
    return BatchMemory(
        batch_size=request.batch_size,
        mean_bytes=round(held / len(samples) * min(request.batch_size, len(samples))),
        largest_bytes=memory.batch_bytes(batch),
        step_bytes=step,
        network=model.architecture,
        parameters=parameters,
    )


def to_document(found: DataStats) -> dict[str, Any]:
    """Return the statistics as JSON types, with absolute paths and memory in bytes."""
    return {
        "name": found.name,
        "graphs": str(found.graphs.resolve()),
        "node_dim": found.node_dim,
        "edge_dim": found.edge_dim,
        "splits": {part.split: _split_document(part) for part in found.splits},
        "shared_targets": list(found.shared_targets),
        "batch": None if found.batch is None else dataclasses.asdict(found.batch),
    }


def _split_document(part: SplitStats) -> dict[str, Any]:
    return {
        "labels": str(part.labels.resolve()),
        "targets": part.targets,
        "decoys": part.decoys,
        "nodes": part.nodes and dataclasses.asdict(part.nodes),
        "edges": part.edges and dataclasses.asdict(part.edges),
        "dockq": dict(part.classes),
        "memory_bytes": part.memory_bytes,
        "left_out": dict(Counter(str(item.reason) for item in part.left_out)),
    }
