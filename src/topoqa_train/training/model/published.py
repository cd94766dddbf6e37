"""The published weights of TopoQA (Han et al. 2025), in this project's network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from torch import Tensor

from topoqa_train.errors import RequestError
from topoqa_train.training.checkpoint import read_any
from topoqa_train.training.model.build import ModelOptions, Pooling
from topoqa_train.training.model.proteingat import ProteinGAT

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


def load_published(path: Path, *, pooling: Pooling = "mean") -> ProteinGAT:
    """Read the published Lightning checkpoint (`topoqa.ckpt`) into a network ready to predict.

    Heads and widths are found in the file; the published figures are with mean pooling, the
    default. Nothing in the file is run.

    Raises:
        RequestError: no such file, damaged, more than tensors and plain values in it, or not the
            published network.
    """
    theirs = read_any(path)["state_dict"]
    names = dict(_names())
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
    try:
        network = _network(ours, pooling)
        # Theirs is [1, heads, width].
        for name in ours:
            if name.endswith("attention.attention"):
                ours[name] = ours[name].squeeze(0)
        network.load_state_dict(ours)
    except (RuntimeError, IndexError, ValueError) as error:
        raise RequestError(
            f"the weights in {path} are not of the published shapes",
            details=str(error).splitlines()[:4],
        ) from error
    return network.eval()


def _names() -> Iterator[tuple[str, str]]:
    """Each of their weights that is used, with our name of it."""
    for theirs, ours in _LINEARS.items():
        for part in ("weight", "bias"):
            yield f"{theirs}.{part}", f"{ours}.{part}"
    for number in (1, 2):
        for theirs, ours in _LAYER.items():
            yield f"conv{number}.0.{theirs}", f"layers.{number - 1}.{ours}"


def _network(weights: Mapping[str, Tensor], pooling: Pooling) -> ProteinGAT:
    heads = weights["layers.0.attention.attention"].shape[1]
    return ProteinGAT(
        ModelOptions(attention_head=heads, pooling_type=pooling, use_layer_norm=False),
        node_dim=weights["node_embedding.weight"].shape[1],
        edge_dim=weights["edge_embedding.weight"].shape[1],
    )
