"""Loading the weights of a checkpoint into a network that they fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from topoqa_train.errors import RequestError
from topoqa_train.training.checkpoints import checkpoint_file
from topoqa_train.training.checkpoints.checkpoint_file import NetworkIdentity
from topoqa_train.training.checkpoints.published import PUBLISHED_AS, published_weights


def load(network: nn.Module, path: Path, identity: NetworkIdentity) -> None:
    """Load weights from a checkpoint of this program or of the published network.

    Raises:
        RequestError: the checkpoint is unreadable, or of another network than `identity`.
    """
    document = checkpoint_file.read_weights(path)
    if checkpoint_file.is_ours(document):
        weights, theirs = document["state_dict"], checkpoint_file.identity(document)
    else:
        weights, theirs = _published(document, path, identity)
    fill(network, weights, theirs, identity, path)


def _published(
    document: dict[str, Any], path: Path, ours: NetworkIdentity
) -> tuple[dict[str, Any], NetworkIdentity]:
    found = published_weights(document, path)
    options = {
        # The config decides what no weight depends on, such as how the network pools.
        **ours.options,
        "attention_head": found.attention_head,
        "use_layer_norm": found.use_layer_norm,
    }
    theirs = NetworkIdentity(PUBLISHED_AS, options, found.node_dim, found.edge_dim)
    return found.weights, theirs


def fill(
    network: nn.Module,
    weights: dict[str, Any],
    theirs: NetworkIdentity,
    ours: NetworkIdentity,
    path: Path,
) -> None:
    """Load `weights` of the network `theirs`, read from `path`, into `network`, which is `ours`.

    Raises:
        RequestError: the two networks differ; the keys are named.
    """
    differences = theirs.differences(ours)
    if differences:
        raise RequestError(
            f"{path} is of another network than this config's",
            details=differences,
            hint="Set the config to the checkpoint's network, or start without it.",
        )
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise RequestError(
            f"the weights in {path} don't fit the network",
            details=[line.strip()[:300] for line in str(error).splitlines()[:4]],
        ) from error
