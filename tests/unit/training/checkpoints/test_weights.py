"""Weights of the published network, loaded or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from topoqa_train.errors import RequestError
from topoqa_train.training import engine
from topoqa_train.training.checkpoints import published, weights
from topoqa_train.training.checkpoints.checkpoint_file import NetworkIdentity
from topoqa_train.training.lit_module import DockQModule


class TestWeightsOfOthers:
    """A training may start from the published network, where the config asks for that one."""

    @pytest.fixture
    def theirs(self, tmp_path: Path) -> Path:
        torch.manual_seed(3)
        names = {ours: theirs for theirs, ours in published._names(layer_norm=False)}
        state = {
            names[name]: value.unsqueeze(0) if name.endswith("attention.attention") else value
            for name, value in module(identity()).network.state_dict().items()
        }
        torch.save({"state_dict": state, "epoch": 199}, tmp_path / "theirs.ckpt")
        return tmp_path / "theirs.ckpt"

    @pytest.mark.parametrize("pooling", ["mean", "max"])
    def test_published_weights_are_loaded(self, theirs: Path, pooling: str) -> None:
        wanted = identity(pooling_type=pooling)
        torch.manual_seed(3)
        same = module(identity()).network.state_dict()
        torch.manual_seed(4)
        fresh = module(wanted)
        weights.load(fresh.network, theirs, wanted)
        for name, value in fresh.network.state_dict().items():
            assert torch.equal(value, same[name])

    @pytest.mark.parametrize(
        ("options", "node_dim", "message"),
        [
            ({"use_layer_norm": True}, 6, "use_layer_norm: False in the checkpoint, True in"),
            ({"attention_head": 8}, 6, "attention_head: 4 in the checkpoint, 8 in"),
            ({}, 7, "node_dim: 6 in the checkpoint, 7 in"),
        ],
    )
    def test_another_network_in_the_config_is_refused(
        self, theirs: Path, options: dict[str, Any], node_dim: int, message: str
    ) -> None:
        wanted = identity(node_dim=node_dim, **options)
        with pytest.raises(RequestError) as caught:
            weights.load(module(wanted).network, theirs, wanted)
        assert any(message in line for line in caught.value.details)

    def test_weights_of_other_programs_are_refused(self, tmp_path: Path) -> None:
        torch.save({"state_dict": {"fc.weight": torch.ones(1)}}, tmp_path / "x.ckpt")
        with pytest.raises(RequestError, match="does not hold the published network"):
            weights.load(module(identity()).network, tmp_path / "x.ckpt", identity())


def identity(node_dim: int = 6, **options: Any) -> NetworkIdentity:
    whole = {
        "attention_head": 4,
        "pooling_type": "mean",
        "use_layer_norm": False,
        "extra": {},
        **options,
    }
    return NetworkIdentity("proteingat", whole, node_dim, 3)


def module(network: NetworkIdentity) -> DockQModule:
    return DockQModule(engine.build_network(network), 0.01)
