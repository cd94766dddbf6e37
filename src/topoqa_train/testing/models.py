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
    """A random graph with `edges` undirected edges, each written in both directions."""
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
    """A batch whose labels are all 0.5."""
    return collate([Sample(one, 0.5, place) for place, one in enumerate(graphs)])


class ModelContract:
    """Subclass it and set `name`; `options` too where the network needs some."""

    name: str
    options = ModelOptions()

    def build(self, node_dim: int = NODE_DIM, edge_dim: int = EDGE_DIM) -> nn.Module:
        """The network with the weights of a fixed seed."""
        torch.manual_seed(7)
        return build_model(self.name, self.options, node_dim=node_dim, edge_dim=edge_dim)

    def test_one_prediction_a_graph_between_0_and_1(self) -> None:
        """Shape [g], finite, a DockQ."""
        network = self.build().eval()
        predicted = network(batch_of(graph(8, 12, 1), graph(5, 3, 2), graph(20, 60, 3)))
        assert predicted.shape == (3,)
        assert torch.isfinite(predicted).all()
        assert ((predicted >= 0) & (predicted <= 1)).all()

    def test_any_widths(self) -> None:
        """A builder of graphs decides how wide nodes and edges are, not the network."""
        network = self.build(node_dim=2, edge_dim=1).eval()
        wide = graph(8, 12, 1)
        narrow = Graph(wide.x[:, :2].clone(), wide.edge_index, wide.edge_attr[:, :1].clone())
        assert network(batch_of(narrow)).shape == (1,)

    def test_an_option_that_it_does_not_know_is_refused(self) -> None:
        """A slip under `model.options` must not train another network than was meant."""
        options = replace(self.options, extra={**self.options.extra, "no_such_option": 1})
        with pytest.raises(RequestError, match="no_such_option"):
            build_model(self.name, options, node_dim=NODE_DIM, edge_dim=EDGE_DIM)

    def test_a_graph_does_not_see_its_neighbours_in_the_batch(self) -> None:
        """Alone or in a batch, in any place: the same score."""
        network = self.build().eval()
        graphs = [graph(8, 12, 1), graph(5, 3, 2), graph(20, 60, 3)]
        together = network(batch_of(*graphs))
        alone = torch.cat([network(batch_of(one)) for one in graphs])
        backwards = network(batch_of(*reversed(graphs))).flip(0)
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(together, backwards, rtol=1e-4, atol=1e-6)

    def test_graphs_without_edges(self) -> None:
        """A graph without edges, alone and beside others, has a finite score."""
        network = self.build().eval()
        bare = Graph(
            torch.rand(3, NODE_DIM), torch.empty(2, 0, dtype=torch.int64), torch.empty(0, EDGE_DIM)
        )
        assert torch.isfinite(network(batch_of(bare))).all()
        assert torch.isfinite(network(batch_of(bare, graph(8, 12, 1)))).all()

    def test_it_learns(self) -> None:
        """Every parameter that is used gets a finite gradient, and some gradient is not 0."""
        network = self.build().train()
        batch = batch_of(graph(8, 12, 1), graph(20, 60, 3))
        loss = nn.functional.mse_loss(network(batch), batch.y)
        found = torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
        gradients = [gradient for gradient in found if gradient is not None]
        assert gradients
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert any((gradient != 0).any() for gradient in gradients)

    def test_same_seed_same_numbers(self) -> None:
        """Weights and predictions come from torch's seed alone."""
        batch = batch_of(graph(8, 12, 1), graph(20, 60, 3))
        first, second = self.build().train(), self.build().train()
        torch.manual_seed(11)
        one = first(batch)
        torch.manual_seed(11)
        two = second(batch)
        assert torch.equal(one, two)

    def test_state_dict_is_all_there_is(self) -> None:
        """A fresh network with the weights of another predicts the same, bit for bit."""
        network = self.build().eval()
        torch.manual_seed(99)
        other = build_model(self.name, self.options, node_dim=NODE_DIM, edge_dim=EDGE_DIM).eval()
        other.load_state_dict(network.state_dict())
        batch = batch_of(graph(8, 12, 1))
        assert torch.equal(network(batch), other(batch))
