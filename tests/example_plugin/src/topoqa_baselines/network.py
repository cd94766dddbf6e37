"""The network `node-mean`: predicts DockQ from the residues alone, without their contacts."""

import torch
from torch import Tensor, nn

from topoqa_train.api import GraphBatch, ModelOptions, RequestError, segment_sum

WIDTH = 32


class NodeMean(nn.Module):
    """Network of two layers per residue, the mean over the interface, and a score."""

    def __init__(self, node_dim: int, width: int) -> None:
        super().__init__()
        self.residue = nn.Sequential(
            nn.Linear(node_dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.score = nn.Sequential(nn.Linear(width, 1), nn.Sigmoid())

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return the predicted DockQ [g], 0 to 1, of the graphs of a batch."""
        residues = self.residue(batch.x)
        total = segment_sum(residues, batch.batch, batch.num_graphs)
        count = segment_sum(torch.ones_like(residues[:, :1]), batch.batch, batch.num_graphs)
        predicted: Tensor = self.score(total / count)
        return predicted.squeeze(1)


def build(options: ModelOptions, node_dim: int, edge_dim: int) -> NodeMean:
    """Build the network for these feature counts; `model.options.width` is its hidden width."""
    del edge_dim  # the network does not use edges
    unknown = set(options.extra) - {"width"}
    if unknown:
        raise RequestError(
            f"model.options: node-mean does not know {', '.join(sorted(unknown))}",
            hint="It takes width, a whole number.",
        )
    width = options.extra.get("width", WIDTH)
    if not isinstance(width, int) or width < 1:
        raise RequestError(f"model.options.width is {width!r}; it takes a whole number from 1")
    return NodeMean(node_dim, width)
