"""Every tensor of a graph and of a batch, named once with its shape.

n nodes, e edges (each direction counts), g graphs; node_dim and edge_dim are what the data have.
"""

from __future__ import annotations

from typing import Final

X: Final = "x"
"""[n, node_dim] float32: features of the interface residues."""

EDGE_INDEX: Final = "edge_index"
"""[2, e] int64: source and target node of each edge; every edge stands in both directions."""

EDGE_ATTR: Final = "edge_attr"
"""[e, edge_dim] float32: features of the edges, in the order of `EDGE_INDEX`."""

GRAPH_KEYS: Final = (X, EDGE_INDEX, EDGE_ATTR)
"""What one graph file holds; anything else in it is not read."""

BATCH: Final = "batch"
"""[n] int64: the graph that each node of a batch belongs to, from 0, ascending."""

Y: Final = "y"
"""[g] float32: DockQ of each graph of a batch, 0 to 1."""

INDEX: Final = "index"
"""[g] int64: the position in its split of each graph of a batch."""
