"""The network of TopoQA (Han et al. 2025, doi 10.1093/bib/bbaf083): predicts DockQ."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from topoqa_train.errors import RequestError
from topoqa_train.training.data.collate import GraphBatch
from topoqa_train.training.model.build import POOLINGS, ModelOptions
from topoqa_train.training.model.layers import InterfaceLayer, segment_max, segment_sum

WIDTH: Final = 32
_LAYERS: Final = 2
_EDGE_SUMMARY: Final = 16
_HEAD: Final = 64


class ProteinGAT(nn.Module):
    """Embeddings of nodes and edges, two interface layers, pooling of both, and a head.

    Raises:
        RequestError: an option is invalid.
    """

    def __init__(self, options: ModelOptions, node_dim: int, edge_dim: int) -> None:
        super().__init__()
        _check(options)
        self.pooling = options.pooling_type
        self.node_embedding = nn.Linear(node_dim, WIDTH)
        self.edge_embedding = _edge_embedding(edge_dim, layer_norm=options.use_layer_norm)
        self.layers = nn.ModuleList(
            InterfaceLayer(WIDTH, options.attention_head, options.dropout) for _ in range(_LAYERS)
        )
        self.edge_summary = nn.Linear(WIDTH, _EDGE_SUMMARY)
        self.head = nn.Sequential(
            nn.Linear(WIDTH + _EDGE_SUMMARY, _HEAD),
            nn.ReLU(),
            nn.Linear(_HEAD, _HEAD),
            nn.ReLU(),
            nn.Linear(_HEAD, 1),
            nn.Sigmoid(),
        )

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the predicted DockQ [g], 0 to 1, of the graphs of a batch."""
        source, target = batch.edge_index
        x = self.node_embedding(batch.x)
        edge = self.edge_embedding(batch.edge_attr)
        for layer in self.layers:
            x, edge = layer(x, edge, source, target)
        # An edge belongs to the graph of its source. A graph without edges gets a zero vector.
        nodes = self._pool(x, batch.batch, batch.num_graphs)
        edges = self._pool(edge, batch.batch.index_select(0, source), batch.num_graphs)
        predicted: Tensor = self.head(torch.cat([nodes, self.edge_summary(edges)], dim=1))
        return predicted.squeeze(1)

    def _pool(self, values: Tensor, graph: Tensor, graphs: int) -> Tensor:
        if self.pooling == "max":
            return segment_max(values, graph, graphs)
        pooled = segment_sum(values, graph, graphs)
        if self.pooling == "add":
            return pooled
        # A graph without edges has no row here; the clamp keeps its mean at 0 instead of NaN.
        rows = segment_sum(values.new_ones(len(graph), 1), graph, graphs)
        return pooled / rows.clamp(min=1)


def build(options: ModelOptions, node_dim: int, edge_dim: int) -> ProteinGAT:
    """Build the network: the entry point `proteingat` of `topoqa_train.models`."""
    return ProteinGAT(options, node_dim, edge_dim)


def _edge_embedding(edge_dim: int, *, layer_norm: bool) -> nn.Module:
    if not layer_norm:
        return nn.Linear(edge_dim, WIDTH)
    return nn.Sequential(
        nn.Linear(edge_dim, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)
    )


def _check(options: ModelOptions) -> None:
    if options.attention_head < 1:
        raise RequestError(f"model.attention_head is {options.attention_head}; the minimum is 1")
    if options.pooling_type not in POOLINGS:
        raise RequestError(
            f"model.pooling_type is '{options.pooling_type}'; it takes {', '.join(POOLINGS)}"
        )
    if not 0.0 <= options.dropout < 1.0:
        raise RequestError(f"the dropout is {options.dropout}; it must be in [0, 1)")
    if options.extra:
        raise RequestError(
            f"model.options: proteingat takes none, and there is {', '.join(options.extra)}"
        )
