"""The contract of a network (entry-point group `topoqa_train.models`)."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from topoqa_train.errors import RequestError
from topoqa_train.training.data.collate import GraphBatch, collate
from topoqa_train.training.data.dataset import Sample
from topoqa_train.training.data.graphs import Graph
from topoqa_train.training.model.build import ModelOptions, build_model

NODE_DIM, EDGE_DIM = 9, 4


def graph(nodes: int, edges: int, seed: int) -> Graph:
    """Return a random graph with `edges` undirected edges, each in both directions."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randint(nodes, (2, edges), generator=generator)
    ends[1] = torch.where(ends[0] == ends[1], (ends[1] + 1) % nodes, ends[1])
    attributes = torch.rand(edges, EDGE_DIM, generator=generator)
    return Graph(
        torch.rand(nodes, NODE_DIM, generator=generator),
        torch.stack([ends, ends.flip(0)], dim=2).reshape(2, -1),
        attributes.repeat_interleave(2, dim=0),
    )


def batch_of(*graphs: Graph) -> GraphBatch:
    """Return a batch whose labels are all 0.5."""
    return collate([Sample(one, 0.5, place) for place, one in enumerate(graphs)])


class ModelContract:
    """A suite: subclass it and set `name`, and `options` if the network needs some."""

    name: str
    options = ModelOptions()

    def build(self, node_dim: int = NODE_DIM, edge_dim: int = EDGE_DIM) -> nn.Module:
        """Return the network with weights from a fixed seed."""
        torch.manual_seed(7)
        return build_model(self.name, self.options, node_dim=node_dim, edge_dim=edge_dim)

    def test_one_prediction_a_graph_between_0_and_1(self) -> None:
        """Check for shape [g] and finite values in the range of DockQ."""
        network = self.build().eval()
        predicted = network(batch_of(graph(8, 12, 1), graph(5, 3, 2), graph(20, 60, 3)))
        assert predicted.shape == (3,)
        assert torch.isfinite(predicted).all()
        assert ((predicted >= 0) & (predicted <= 1)).all()

    def test_any_widths(self) -> None:
        """Check other widths of node and edge features: the graphs decide them, not the network."""
        network = self.build(node_dim=2, edge_dim=1).eval()
        wide = graph(8, 12, 1)
        narrow = Graph(wide.x[:, :2].clone(), wide.edge_index, wide.edge_attr[:, :1].clone())
        assert network(batch_of(narrow)).shape == (1,)

    def test_an_unknown_option_is_rejected(self) -> None:
        """Check that a typing error under `model.options` does not train another network."""
        options = replace(self.options, extra={**self.options.extra, "no_such_option": 1})
        with pytest.raises(RequestError, match="no_such_option"):
            build_model(self.name, options, node_dim=NODE_DIM, edge_dim=EDGE_DIM)

    def test_the_score_of_a_graph_does_not_depend_on_its_batch(self) -> None:
        """Check that a graph has the same score alone and anywhere in a batch."""
        network = self.build().eval()
        graphs = [graph(8, 12, 1), graph(5, 3, 2), graph(20, 60, 3)]
        together = network(batch_of(*graphs))
        alone = torch.cat([network(batch_of(one)) for one in graphs])
        backwards = network(batch_of(*reversed(graphs))).flip(0)
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(together, backwards, rtol=1e-4, atol=1e-6)

    def test_graphs_without_edges(self) -> None:
        """Check that a graph without edges has a finite score, alone and in a batch."""
        network = self.build().eval()
        bare = Graph(
            torch.rand(3, NODE_DIM), torch.empty(2, 0, dtype=torch.int64), torch.empty(0, EDGE_DIM)
        )
        assert torch.isfinite(network(batch_of(bare))).all()
        assert torch.isfinite(network(batch_of(bare, graph(8, 12, 1)))).all()

    def test_it_learns(self) -> None:
        """Check that used parameters get finite gradients, and that some gradient is not 0."""
        network = self.build().train()
        batch = batch_of(graph(8, 12, 1), graph(20, 60, 3))
        loss = nn.functional.mse_loss(network(batch), batch.y)
        found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
        gradients = [gradient for gradient in found if gradient is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert any((gradient != 0).any() for gradient in gradients)

    def test_the_same_seed_gives_the_same_numbers(self) -> None:
        """Check that weights and predictions depend on torch's seed only."""
        batch = batch_of(graph(8, 12, 1), graph(20, 60, 3))
        first, second = self.build().train(), self.build().train()
        torch.manual_seed(11)
        one = first(batch)
        torch.manual_seed(11)
        two = second(batch)
        assert torch.equal(one, two)

    def test_the_state_dict_is_complete(self) -> None:
        """Check that a new network with the weights of another predicts the same, bit for bit."""
        network = self.build().eval()
        torch.manual_seed(99)
        other = build_model(self.name, self.options, node_dim=NODE_DIM, edge_dim=EDGE_DIM).eval()
        other.load_state_dict(network.state_dict())
        batch = batch_of(graph(8, 12, 1))
        assert torch.equal(network(batch), other(batch))
