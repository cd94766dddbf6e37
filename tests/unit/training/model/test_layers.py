from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_geometric.nn import GATv2Conv

from topoqa_train.training.data.collate import GraphBatch
from topoqa_train.training.model.layers import (
    EdgeAttention,
    EdgeUpdate,
    InterfaceLayer,
    segment_max,
    segment_softmax,
    segment_sum,
)

WIDTH = 8
SEGMENT = torch.tensor([3, 0, 3, 1, 0, 3])


@pytest.fixture
def values() -> Tensor:
    return torch.randn(6, 2, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def parts(batch: GraphBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Nodes, edges and their two ends, in double precision."""
    generator = torch.Generator().manual_seed(2)
    source, target = batch.edge_index
    x = torch.randn(len(batch.batch), WIDTH, generator=generator, dtype=torch.float64)
    edge = torch.randn(len(source), WIDTH, generator=generator, dtype=torch.float64)
    return x, edge, source, target


def rows(values: Tensor, segment: int) -> Tensor:
    return values[segment == SEGMENT]


def test_segments_against_plain_loops(values: Tensor) -> None:
    summed = segment_sum(values, SEGMENT, 5)
    largest = segment_max(values, SEGMENT, 5)
    weights = segment_softmax(values, SEGMENT, 5)
    for segment in range(5):
        own = rows(values, segment)
        expected = own.amax(0) if len(own) else torch.zeros(2)
        assert torch.allclose(summed[segment], own.sum(0))
        assert torch.equal(largest[segment], expected)
        assert torch.allclose(rows(weights, segment), torch.softmax(own, 0))


def test_the_largest_of_negatives_is_negative_and_of_none_zero() -> None:
    largest = segment_max(torch.full((2, 3), -7.0), torch.tensor([1, 1]), 3)
    assert largest.tolist() == [[0.0] * 3, [-7.0] * 3, [0.0] * 3]


def test_equal_largest_values_share_the_gradient() -> None:
    values = torch.tensor([[1.0], [2.0], [2.0], [5.0], [2.0], [5.0]], requires_grad=True)
    largest = segment_max(values, SEGMENT, 4)
    assert largest.flatten().tolist() == [2.0, 5.0, 0.0, 5.0]
    largest.sum().backward()
    assert values.grad is not None
    assert values.grad.flatten().tolist() == [0.0, 0.5, 0.0, 1.0, 0.5, 1.0]


@pytest.mark.parametrize("shift", [1e4, -1e4])
def test_softmax_neither_overflows_nor_vanishes(values: Tensor, shift: float) -> None:
    """A segment far below the others must not lose its weights to them."""
    moved = values + shift * (SEGMENT == 3).unsqueeze(1)
    weights = segment_softmax(moved, SEGMENT, 5)
    assert torch.allclose(weights, segment_softmax(values, SEGMENT, 5), atol=1e-2)
    assert torch.allclose(segment_sum(weights, SEGMENT, 5)[[0, 1, 3]], torch.ones(3, 2))


def of_torch_geometric(ours: EdgeAttention) -> GATv2Conv:
    theirs = GATv2Conv(
        WIDTH, WIDTH, heads=ours.heads, concat=False, add_self_loops=False, edge_dim=WIDTH
    ).double()
    with torch.no_grad():
        theirs.lin_l.load_state_dict(ours.source.state_dict())
        theirs.lin_r.load_state_dict(ours.target.state_dict())
        theirs.lin_edge.load_state_dict(ours.edge.state_dict())
        theirs.att.copy_(ours.attention.unsqueeze(0))
        theirs.bias.copy_(ours.bias)
    return theirs


@pytest.mark.parametrize("heads", [1, 3, 8])
def test_attention_equals_torch_geometrics_gatv2(
    parts: tuple[Tensor, Tensor, Tensor, Tensor], heads: int
) -> None:
    torch.manual_seed(3)
    x, edge, source, target = parts
    ours = EdgeAttention(WIDTH, heads, dropout=0.25).double().eval()
    torch.nn.init.normal_(ours.bias)
    theirs = of_torch_geometric(ours)
    inputs = [(x.clone().requires_grad_(), edge.clone().requires_grad_()) for _ in range(2)]
    one = ours(*inputs[0], source, target)
    other = theirs(inputs[1][0], torch.stack([source, target]), inputs[1][1])
    assert torch.allclose(one, other, rtol=0, atol=1e-12)
    one.square().sum().backward()
    other.square().sum().backward()
    for mine, their in zip(inputs[0], inputs[1], strict=True):
        assert mine.grad is not None
        assert torch.allclose(mine.grad, their.grad, rtol=0, atol=1e-11)
    assert ours.attention.grad is not None
    assert torch.allclose(ours.attention.grad, theirs.att.grad[0], rtol=0, atol=1e-11)


def test_attention_begins_as_spread_out_as_torch_geometrics() -> None:
    torch.manual_seed(4)
    ours = EdgeAttention(64, 8, 0.0)
    theirs = GATv2Conv(64, 64, heads=8, concat=False, edge_dim=64)
    pairs = [
        (ours.source.weight, theirs.lin_l.weight),
        (ours.target.weight, theirs.lin_r.weight),
        (ours.edge.weight, theirs.lin_edge.weight),
        (ours.attention, theirs.att),
    ]
    for mine, their in pairs:
        assert mine.std().item() == pytest.approx(their.std().item(), rel=0.1)
    assert ours.bias.eq(0).all()


def test_dropout_falls_on_the_weights_in_training_alone(
    parts: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    torch.manual_seed(5)
    x, edge, source, target = parts
    layer = EdgeAttention(WIDTH, 4, dropout=0.5).double()
    assert not torch.equal(layer(x, edge, source, target), layer(x, edge, source, target))
    state = torch.get_rng_state()
    first = layer(x, edge, source, target)
    torch.set_rng_state(state)
    assert torch.equal(layer(x, edge, source, target), first)
    layer.eval()
    assert torch.equal(layer(x, edge, source, target), layer(x, edge, source, target))


def test_the_update_equals_a_linear_of_each_edge_averaged_over_heads(
    parts: tuple[Tensor, Tensor, Tensor, Tensor],
) -> None:
    torch.manual_seed(6)
    x, edge, source, target = parts
    layer = EdgeUpdate(WIDTH, 4).double()
    joined = torch.cat([x[source], x[target], edge], dim=1)
    expected = layer.linear(joined).view(-1, 4, WIDTH).mean(1)
    assert torch.allclose(layer(x, edge, source, target), expected, rtol=0, atol=1e-12)


def test_gradients_are_those_of_the_function() -> None:
    generator = torch.Generator().manual_seed(7)
    source, target = torch.tensor([[0, 1, 1, 2, 0], [1, 0, 2, 1, 2]])
    layer = InterfaceLayer(4, 2, dropout=0.0).double()
    x, edge = (
        torch.randn(rows, 4, generator=generator, dtype=torch.float64, requires_grad=True)
        for rows in (4, 5)
    )
    assert torch.autograd.gradcheck(lambda *parts: layer(*parts, source, target), (x, edge))


def test_a_node_that_nothing_leads_to_gets_the_bias() -> None:
    layer = EdgeAttention(WIDTH, 2, 0.0)
    torch.nn.init.normal_(layer.bias)
    none = torch.empty(0, dtype=torch.int64)
    out = layer(torch.randn(3, WIDTH), torch.empty(0, WIDTH), none, none)
    assert torch.equal(out, layer.bias.expand(3, WIDTH))
