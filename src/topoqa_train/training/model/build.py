"""Networks by name: entry points of the group `topoqa_train.models`.

A plugin's entry point is a callable `build(options, node_dim, edge_dim)` that returns an
`nn.Module`; called with a `GraphBatch` of g graphs, the module gives [g] predictions of DockQ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from torch import nn

from topoqa_train.plugins import discovery

Pooling = Literal["mean", "add", "max"]
POOLINGS: Final[tuple[str, ...]] = get_args(Pooling)


@dataclass(frozen=True)
class ModelOptions:
    """Options of a network in a config; `extra` is for networks of plugins.

    `dropout` is the probability that an edge's attention weight is dropped in training.
    """

    attention_head: int = 8
    pooling_type: Pooling = "mean"
    use_layer_norm: bool = True
    dropout: float = 0.25
    extra: Mapping[str, Any] = field(default_factory=dict)


def build_model(name: str, options: ModelOptions, *, node_dim: int, edge_dim: int) -> nn.Module:
    """Build the network `name` for graphs of these widths, with new weights.

    Raises:
        RequestError: the network is unknown (the known ones are named), or an option is invalid.
        PluginError: it can't be loaded, or does not return a module.
    """
    plugin = discovery.find(
        discovery.MODELS, "network", name, hint="Set model.architecture to one of them."
    )
    builder = plugin.load()
    with plugin.attribute_errors():
        model = builder(options, node_dim, edge_dim)
    if not isinstance(model, nn.Module):
        raise discovery.PluginError(
            f"the network '{name}' of {plugin.distribution} gave "
            f"{type(model).__name__}, not a torch module"
        )
    return model
