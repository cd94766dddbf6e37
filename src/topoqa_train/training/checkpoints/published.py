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

# The same network in this project.
PUBLISHED_AS: Final = "proteingat"
# Published name of a module to ours. In GATv2, lin_l is of the source, lin_r of the target.
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
# The file has a third layer that the published network never runs.
_UNUSED: Final = "conv3."


@dataclass(frozen=True)
class PublishedWeights:
    """Weights under our names and the options of their network, except how it pools."""

    weights: dict[str, Tensor]
    attention_head: int
    use_layer_norm: bool
    node_dim: int
    edge_dim: int


def load_published(path: Path, *, pooling: Pooling = "mean") -> ProteinGAT:
    """Read the published Lightning checkpoint (`topoqa.ckpt`) into a network ready to predict.

    Heads and widths come from the file; the published results are with mean pooling.

    Raises:
        RequestError: the file does not exist, is damaged, holds more than tensors and plain
            values, or is not the published network.
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
        raise _shape_error(path, error) from error
    return network.eval()


def published_weights(document: Mapping[str, Any], path: Path) -> PublishedWeights:
    """Return the weights in a checkpoint that `read_any` returned.

    The network may also be inside a module (a prefix of every name), and its edge embedding may
    have a layer norm.

    Raises:
        RequestError: they are not of the published network.
    """
    theirs = _without_module(document["state_dict"])
    layer_norm = "edge_embed.1.weight" in theirs
    names = dict(_names(layer_norm=layer_norm))
    missing = sorted(names.keys() - theirs.keys())
    unknown = sorted(name for name in theirs.keys() - names.keys() if not name.startswith(_UNUSED))
    wrong = [f"missing: {', '.join(missing[:5])}"] if missing else []
    wrong += [f"unknown: {', '.join(unknown[:5])}"] if unknown else []
    present = [name for name in names if name in theirs]
    wrong += [f"not a tensor: {name}" for name in present if not isinstance(theirs[name], Tensor)]
    if wrong:
        raise RequestError(
            f"{path} does not hold the published network of TopoQA", details=wrong[:5]
        )
    ours = {names[name]: theirs[name] for name in names}
    edges = "edge_embedding.0.weight" if layer_norm else "edge_embedding.weight"
    try:
        # The published shape is [1, heads, width].
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
        raise _shape_error(path, error) from error


def _shape_error(path: Path, error: Exception) -> RequestError:
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
    """Yield the published name of each weight that is used, with our name."""
    linears = dict(_LINEARS)
    if layer_norm:
        linears |= {f"edge_embed.{n}": f"edge_embedding.{n}" for n in (0, 1, 3)}
    for theirs, ours in linears.items():
        for part in ("weight", "bias"):
            yield f"{theirs}.{part}", f"{ours}.{part}"
    for number in (1, 2):
        for theirs, ours in _LAYER.items():
            yield f"conv{number}.0.{theirs}", f"layers.{number - 1}.{ours}"
