from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from topoqa_train.errors import RequestError
from topoqa_train.training.data.collate import GraphBatch
from topoqa_train.training.data.graphs import Graph
from topoqa_train.training.model.build import ModelOptions, Pooling
from topoqa_train.training.model.proteingat import ProteinGAT, build

MakeGraph = Callable[..., Graph]
MakeBatch = Callable[..., GraphBatch]
POOLINGS: tuple[Pooling, ...] = ("mean", "add", "max")


def network(seed: int = 1, **options: object) -> ProteinGAT:
    torch.manual_seed(seed)
    return build(replace(ModelOptions(), **options), node_dim=6, edge_dim=3).eval()


def shuffled(graph: Graph, seed: int) -> Graph:
    """The same graph with nodes and edges in another order."""
    generator = torch.Generator().manual_seed(seed)
    nodes = torch.randperm(graph.num_nodes, generator=generator)
    edges = torch.randperm(graph.num_edges, generator=generator)
    place = torch.argsort(nodes)
    return Graph(
        graph.x[nodes], place[graph.edge_index][:, edges].contiguous(), graph.edge_attr[edges]
    )


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("heads", [1, 3, 8])
@pytest.mark.parametrize("layer_norm", [True, False])
def test_predictions_are_dockq_and_every_weight_learns(
    batch: GraphBatch, pooling: Pooling, heads: int, layer_norm: bool
) -> None:
    model = network(pooling_type=pooling, attention_head=heads, use_layer_norm=layer_norm)
    predicted = model(batch)
    assert predicted.shape == (5,)
    assert ((predicted > 0) & (predicted < 1)).all()
    predicted.sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any() or name == "layers.1.attention.target.bias", name


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_order_of_nodes_and_edges_does_not_matter(
    make_graph: MakeGraph, make_batch: MakeBatch, pooling: Pooling
) -> None:
    model = network(pooling_type=pooling).double()
    graphs = [make_graph(seed, nodes=6 + seed, pairs=10) for seed in range(4)]
    others = [shuffled(graph, seed) for seed, graph in enumerate(graphs)]
    one, other = (as_double(make_batch(*some)) for some in (graphs, others))
    assert not torch.equal(one.x, other.x)
    assert torch.allclose(model(one), model(other), rtol=0, atol=1e-12)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_what_else_is_in_the_batch_does_not_matter(
    make_graph: MakeGraph, make_batch: MakeBatch, pooling: Pooling
) -> None:
    model = network(pooling_type=pooling).double()
    graphs = [make_graph(seed, pairs=pairs) for seed, pairs in enumerate((9, 0, 20, 1))]
    together = model(as_double(make_batch(*graphs)))
    alone = torch.cat([model(as_double(make_batch(graph))) for graph in graphs])
    assert torch.allclose(together, alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("layer_norm", [True, False])
def test_a_graph_without_edges_has_a_zero_edge_vector(
    make_graph: MakeGraph, make_batch: MakeBatch, pooling: Pooling, layer_norm: bool
) -> None:
    model = network(pooling_type=pooling, use_layer_norm=layer_norm)
    seen: list[Tensor] = []
    model.edge_summary.register_forward_hook(lambda _module, inputs, _out: seen.append(inputs[0]))
    full, empty = make_graph(1), make_graph(2, pairs=0)
    for batch, place in (
        (make_batch(full, empty), 1),
        (make_batch(empty, full), 0),
        (make_batch(empty), 0),
    ):
        predicted = model(batch)
        assert torch.isfinite(predicted).all()
        assert seen[-1][place].eq(0).all()
    assert seen[0][0].ne(0).any()


def test_pooling_is_what_it_is_called(make_graph: MakeGraph, make_batch: MakeBatch) -> None:
    batch = make_batch(make_graph(1, nodes=4, pairs=2), make_graph(2, nodes=6, pairs=0))
    values = -torch.rand(10, 5) - 1
    parts = values[:4], values[4:]
    expected = {
        "mean": [part.mean(0) for part in parts],
        "add": [part.sum(0) for part in parts],
        "max": [part.amax(0) for part in parts],
    }
    for pooling in POOLINGS:
        pooled = network(pooling_type=pooling)._pool(values, batch.batch, 2)
        assert torch.allclose(pooled, torch.stack(expected[pooling]))


def test_an_edge_belongs_to_the_graph_of_its_source(batch: GraphBatch) -> None:
    model = network(pooling_type="add")
    seen: list[Tensor] = []
    model.edge_summary.register_forward_hook(lambda _module, inputs, _out: seen.append(inputs[0]))
    model.layers = nn.ModuleList()
    model.edge_embedding = nn.Linear(3, 32)
    nn.init.zeros_(model.edge_embedding.weight)
    nn.init.ones_(model.edge_embedding.bias)
    model(batch)
    assert seen[0][:, 0].tolist() == [6, 18, 0, 40, 30]


def test_the_layout_is_that_of_the_paper() -> None:
    model = build(ModelOptions(), node_dim=172, edge_dim=11)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert shapes["node_embedding.weight"] == (32, 172)
    assert shapes["edge_embedding.0.weight"] == (32, 11)
    assert isinstance(model.edge_embedding, nn.Sequential)
    assert [type(part) for part in model.edge_embedding] == [
        nn.Linear,
        nn.LayerNorm,
        nn.ReLU,
        nn.Linear,
    ]
    for layer in (0, 1):
        assert shapes[f"layers.{layer}.attention.attention"] == (8, 32)
        assert shapes[f"layers.{layer}.attention.source.weight"] == (256, 32)
        assert shapes[f"layers.{layer}.edge_update.linear.weight"] == (256, 96)
    assert shapes["edge_summary.weight"] == (16, 32)
    assert [shapes[f"head.{place}.weight"] for place in (0, 2, 4)] == [(64, 48), (64, 64), (1, 64)]
    assert len(model.layers) == 2
    assert {layer.attention.dropout for layer in model.layers} == {0.25}  # type: ignore[union-attr]


def test_the_same_seed_gives_the_same_bits(batch: GraphBatch) -> None:
    def trained() -> list[Tensor]:
        model = network(seed=11).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(batch), batch.y).backward()
            optimizer.step()
        return list(model.state_dict().values())

    for one, other in zip(trained(), trained(), strict=True):
        assert torch.equal(one, other)


def test_it_can_learn(batch: GraphBatch) -> None:
    model = network(seed=2, dropout=0.0).train()
    batch.y = torch.tensor([0.1, 0.9, 0.3, 0.7, 0.5])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(batch), batch.y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_runs_in_mixed_precision(batch: GraphBatch, dtype: torch.dtype) -> None:
    model = network().train()
    with torch.autocast("cpu", dtype=dtype):
        predicted = model(batch)
    predicted.float().sum().backward()
    with torch.autocast("cpu", dtype=dtype):
        evaluated = network()(batch).float()
    assert torch.allclose(evaluated, network()(batch), atol=0.02)
    assert all(
        parameter.grad is not None and torch.isfinite(parameter.grad).all()
        for parameter in model.parameters()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention_head": 0}, "attention_head is 0"),
        ({"pooling_type": "median"}, "takes mean, add, max"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"extra": {"depth": 3}}, "proteingat takes none, and there is depth"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        network(**options)


def as_double(batch: GraphBatch) -> GraphBatch:
    return replace(batch, x=batch.x.double(), edge_attr=batch.edge_attr.double())
