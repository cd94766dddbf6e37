"""The published weights of TopoQA (Han et al. 2025), in this project's network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from topoqa_train.errors import RequestError
from topoqa_train.training.checkpoints.checkpoint_file import read_any
from topoqa_train.training.model.build import ModelOptions, Pooling
from topoqa_train.training.model.proteingat import ProteinGAT

# The network of ours that theirs is.
PUBLISHED_AS: Final = "proteingat"
# Their name of a module, then ours. In their GATv2, lin_l is of the source, lin_r of the target.
_LAYER: Final = {
    "att": "attention.attention",
    "bias": "attention.bias",
    "lin_l.weight": "attention.source.weight",
    "lin_l.bias": "attention.source.bias",
    "lin_r.weight": "attention.target.weight",
    "lin_r.bias": "attention.target.bias",
    "lin_edge.weight": "attention.edge.weight",
    "edge_linear.weight": "edge_update.linear.weight",
    "edge_linear.bias": "edge_update.linear.bias",
}
_LINEARS: Final = {
    "embed.0": "node_embedding",
    "edge_embed.0": "edge_embedding",
    "fc_edge": "edge_summary",
    "protein_fc_1.0": "head.0",
    "fc1": "head.2",
    "out": "head.4",
}
# A third layer is in the file, and nothing ever runs it.
_UNUSED: Final = "conv3."


@dataclass(frozen=True)
class PublishedWeights:
    """Weights under our names, and the network that they are of; how it pools is not in them."""

    weights: dict[str, Tensor]
    attention_head: int
    use_layer_norm: bool
    node_dim: int
    edge_dim: int


def load_published(path: Path, *, pooling: Pooling = "mean") -> ProteinGAT:
    """Read the published Lightning checkpoint (`topoqa.ckpt`) into a network ready to predict.

    Heads and widths are found in the file; the published figures are with mean pooling, the
    default. Nothing in the file is run.

    Raises:
        RequestError: no such file, damaged, more than tensors and plain values in it, or not the
            published network.
    """
    found = published_weights(read_any(path), path)
    options = ModelOptions(
        attention_head=found.attention_head,
        pooling_type=pooling,
        use_layer_norm=found.use_layer_norm,
    )
    try:
        network = ProteinGAT(options, node_dim=found.node_dim, edge_dim=found.edge_dim)
        network.load_state_dict(found.weights)
    except RuntimeError as error:
        raise _other_shapes(path, error) from error
    return network.eval()


def published_weights(document: Mapping[str, Any], path: Path) -> PublishedWeights:
    """The weights in a checkpoint of theirs, as `read_any` gave it.

    Taken too: the same network inside a module (one word before every name), and with the edge
    embedding that has a layer norm.

    Raises:
        RequestError: they are not of the published network.
    """
    theirs = _without_module(document["state_dict"])
    layer_norm = "edge_embed.1.weight" in theirs
    names = dict(_names(layer_norm=layer_norm))
    missing = sorted(names.keys() - theirs.keys())
    unknown = sorted(name for name in theirs.keys() - names.keys() if not name.startswith(_UNUSED))
    wrong = [f"missing: {', '.join(missing[:5])}"] if missing else []
    wrong += [f"not known: {', '.join(unknown[:5])}"] if unknown else []
    there = [name for name in names if name in theirs]
    wrong += [f"no tensor: {name}" for name in there if not isinstance(theirs[name], Tensor)]
    if wrong:
        raise RequestError(
            f"{path} does not hold the published network of TopoQA", details=wrong[:5]
        )
    ours = {names[name]: theirs[name] for name in names}
    edges = "edge_embedding.0.weight" if layer_norm else "edge_embedding.weight"
    try:
        # Theirs is [1, heads, width].
        for name in ours:
            if name.endswith("attention.attention"):
                ours[name] = ours[name].squeeze(0)
        return PublishedWeights(
            ours,
            attention_head=ours["layers.0.attention.attention"].shape[0],
            use_layer_norm=layer_norm,
            node_dim=ours["node_embedding.weight"].shape[1],
            edge_dim=ours[edges].shape[1],
        )
    except (RuntimeError, IndexError) as error:
        raise _other_shapes(path, error) from error


def _other_shapes(path: Path, error: Exception) -> RequestError:
    return RequestError(
        f"the weights in {path} are not of the published shapes",
        details=str(error).splitlines()[:4],
    )


def _without_module(weights: Mapping[str, Any]) -> dict[str, Any]:
    first = {str(name).partition(".")[0] for name in weights}
    if len(first) != 1:
        return {str(name): value for name, value in weights.items()}
    return {str(name).partition(".")[2]: value for name, value in weights.items()}


def _names(*, layer_norm: bool) -> Iterator[tuple[str, str]]:
    """Each of their weights that is used, with our name of it."""
    linears = dict(_LINEARS)
    if layer_norm:
        linears |= {f"edge_embed.{n}": f"edge_embedding.{n}" for n in (0, 1, 3)}
    for theirs, ours in linears.items():
        for part in ("weight", "bias"):
            yield f"{theirs}.{part}", f"{ours}.{part}"
    for number in (1, 2):
        for theirs, ours in _LAYER.items():
            yield f"conv{number}.0.{theirs}", f"layers.{number - 1}.{ours}"
