"""Joining samples to one batch of tensors.

torch-geometric's loader ignores a `collate_fn`, and its `Batch`, indexed, gives a single graph:
the previous pipeline trained on one graph in sixteen that way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from topoqa_train.training.data.dataset import Sample


# Not frozen, because Lightning sets its fields one by one for some precisions.
@dataclass
class GraphBatch:
    """Several graphs as one graph of unconnected parts; see `keys` for shapes and types."""

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    batch: Tensor
    y: Tensor
    index: Tensor
    num_graphs: int

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> GraphBatch:
        """Return a copy of the batch on `device`."""
        tensors = {
            name: tensor.to(device, non_blocking=non_blocking)
            for name, tensor in self._tensors().items()
        }
        return GraphBatch(**tensors, num_graphs=self.num_graphs)

    def pin_memory(self) -> GraphBatch:
        """Return a copy of the batch in pinned memory, from which a GPU copies faster."""
        tensors = {name: tensor.pin_memory() for name, tensor in self._tensors().items()}
        return GraphBatch(**tensors, num_graphs=self.num_graphs)

    def _tensors(self) -> dict[str, Tensor]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def collate(samples: Sequence[Sample]) -> GraphBatch:
    """Join samples in their order; the nodes of the second graph follow those of the first."""
    graphs = [sample.graph for sample in samples]
    nodes = torch.tensor([graph.x.shape[0] for graph in graphs])
    edges = torch.tensor([graph.edge_index.shape[1] for graph in graphs])
    numbers = torch.arange(len(graphs))
    shift = torch.repeat_interleave(nodes.cumsum(0) - nodes, edges)
    return GraphBatch(
        x=torch.cat([graph.x for graph in graphs]),
        edge_index=torch.cat([graph.edge_index for graph in graphs], dim=1).add_(shift),
        edge_attr=torch.cat([graph.edge_attr for graph in graphs]),
        batch=torch.repeat_interleave(numbers, nodes),
        y=torch.tensor([sample.dockq for sample in samples], dtype=torch.float32),
        index=torch.tensor([sample.position for sample in samples]),
        num_graphs=len(graphs),
    )
