"""Every tensor of a graph and of a batch, named once with its shape.

n nodes, e edges (each direction counts), g graphs; node_dim and edge_dim depend on the data.
"""

from __future__ import annotations

from typing import Final

X: Final = "x"
"""[n, node_dim] float32: features of the interface residues."""

EDGE_INDEX: Final = "edge_index"
"""[2, e] int64: source and target node of each edge; every edge is listed in both directions."""

EDGE_ATTR: Final = "edge_attr"
"""[e, edge_dim] float32: features of the edges, in the order of `EDGE_INDEX`."""

GRAPH_KEYS: Final = (X, EDGE_INDEX, EDGE_ATTR)
"""The tensors of a graph file; anything else in it is ignored."""

BATCH: Final = "batch"
"""[n] int64: the graph that each node of a batch belongs to, from 0, ascending."""

Y: Final = "y"
"""[g] float32: DockQ of each graph of a batch, 0 to 1."""

INDEX: Final = "index"
"""[g] int64: the position in its split of each graph of a batch."""
