"""The layer of TopoQA's network: attention over edges, then an update of the edges."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

_NEGATIVE_SLOPE: Final = 0.2


def segment_sum(values: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Return the sum of the rows of each segment.

    Args:
        values: [m, ...].
        segment: [m] int64, 0 to `segments` - 1, in any order.
        segments: the number of segments; one without rows sums to zero.
    """
    zeros = values.new_zeros((segments, *values.shape[1:]))
    return zeros.index_add(0, segment, values)


def segment_max(values: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Return the maximum of each column in each segment, 0 for a segment without rows.

    Shapes are as in `segment_sum`. Rows that share the maximum share its gradient. Only sums and
    gathers are differentiated, because they have deterministic kernels on every device.
    """
    with torch.no_grad():
        largest = _largest(values, segment, segments).index_select(0, segment)
        shares = (values == largest).to(values.dtype)
        shares = shares / segment_sum(shares, segment, segments).index_select(0, segment)
    return segment_sum(values * shares, segment, segments)


def segment_softmax(logits: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Return the softmax of each column in each segment; shapes as in `segment_sum`."""
    # Subtracting the maximum keeps the exponentials finite; it cancels, so it needs no gradient.
    largest = _largest(logits.detach(), segment, segments)
    weights = (logits - largest.index_select(0, segment)).exp()
    return weights / segment_sum(weights, segment, segments).index_select(0, segment)


def _largest(values: Tensor, segment: Tensor, segments: int) -> Tensor:
    zeros = values.new_zeros((segments, values.shape[1]))
    where = segment.unsqueeze(1).expand_as(values)
    return zeros.scatter_reduce(0, where, values, "amax", include_self=False)


class EdgeAttention(nn.Module):
    """GATv2 with edge features (Brody, Alon & Yahav 2022, arXiv 2105.14491), heads averaged.

    For an edge from j to i, a head has the logit a . LeakyReLU(S x_j + T x_i + E e_ji); softmax
    over the edges into i gives the weights of S x_j in the sum. No self-loops: a node without
    an incoming edge gets only the bias. Dropout is applied to the weights.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.source = nn.Linear(width, heads * width)
        self.target = nn.Linear(width, heads * width)
        self.edge = nn.Linear(width, heads * width, bias=False)
        self.attention = nn.Parameter(torch.empty(heads, width))
        self.bias = nn.Parameter(torch.zeros(width))
        for weight in (self.source.weight, self.target.weight, self.edge.weight, self.attention):
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor, edge: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return new nodes [n, width] from nodes, edges [e, width] and their ends [e]."""
        nodes, shape = x.shape[0], (-1, self.heads, x.shape[1])
        sent = self.source(x).index_select(0, source)
        received = self.target(x).index_select(0, target)
        # One buffer of [e, heads * width] from here on, because memory limits this step.
        joint = torch.addmm(received.add_(sent), edge, self.edge.weight.t())
        joint = functional.leaky_relu_(joint, _NEGATIVE_SLOPE)
        logits = (joint.view(shape) * self.attention).sum(-1)
        weights = segment_softmax(logits, target, nodes)
        weights = functional.dropout(weights, self.dropout, self.training)
        # The heads are averaged per edge, before the sum over edges: that sum is smaller then.
        message = (sent.view(shape) * weights.unsqueeze(-1)).sum(1)
        return segment_sum(message, target, nodes) / self.heads + self.bias


class EdgeUpdate(nn.Module):
    """A linear of both nodes and the edge, [source, target, edge], averaged over heads.

    The mean of linears is one linear with the mean of their weights, and a linear of joined
    vectors is a sum of linears. So the nodes' parts are computed per node instead of per edge.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.linear = nn.Linear(3 * width, heads * width)

    def forward(self, x: Tensor, edge: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return new edges [e, width]; arguments as in `EdgeAttention`."""
        width = x.shape[1]
        weight = self.linear.weight.view(self.heads, width, 3 * width).mean(0)
        bias = self.linear.bias.view(self.heads, width).mean(0)
        of_source, of_target, of_edge = weight.chunk(3, dim=1)
        updated = torch.addmm(bias, edge, of_edge.t())
        updated = updated + functional.linear(x, of_source).index_select(0, source)
        return updated + functional.linear(x, of_target).index_select(0, target)


class InterfaceLayer(nn.Module):
    """Attention, then an update of the edges from the new nodes, then ELU on both."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = EdgeAttention(width, heads, dropout)
        self.edge_update = EdgeUpdate(width, heads)

    def forward(
        self, x: Tensor, edge: Tensor, source: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return new nodes and edges; arguments as in `EdgeAttention`."""
        x = self.attention(x, edge, source, target)
        edge = self.edge_update(x, edge, source, target)
        return functional.elu(x), functional.elu(edge)
