from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from topoqa_train.errors import RequestError
from topoqa_train.plugins.discovery import MODELS, PluginError
from topoqa_train.training.model.build import ModelOptions, build_model
from topoqa_train.training.model.proteingat import ProteinGAT

Install = Callable[..., Path]

MODULE = """
    from torch import nn

    class Guess(nn.Module):
        def __init__(self, options, node_dim, edge_dim):
            super().__init__()
            self.arguments = options, node_dim, edge_dim

    def none(options, node_dim, edge_dim):
        return "no module"
"""


def test_the_built_in_network_comes_through_the_registry() -> None:
    options = ModelOptions(attention_head=2, pooling_type="max", use_layer_norm=False)
    model = build_model("proteingat", options, node_dim=5, edge_dim=4)
    assert isinstance(model, ProteinGAT)
    assert model.pooling == "max"
    assert model.node_embedding.in_features == 5


def test_another_network_plugs_in(install_plugin: Install) -> None:
    install_plugin("guessing", MODELS, {"guess": "guessing_nets:Guess"}, {"guessing_nets": MODULE})
    options = ModelOptions(extra={"depth": 3})
    model = build_model("guess", options, node_dim=5, edge_dim=4)
    assert model.arguments == (options, 5, 4)


def test_an_unknown_network_names_the_known_and_the_nearest() -> None:
    with pytest.raises(RequestError, match="did you mean 'proteingat'") as caught:
        build_model("proteingta", ModelOptions(), node_dim=5, edge_dim=4)
    assert "proteingat" in caught.value.details[0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("missing_module:build", "No module named 'missing_module'"),
        ("guessing_nets:absent", "absent"),
        ("guessing_nets:none", "gave str, not a torch module"),
    ],
)
def test_a_broken_plugin_is_named(install_plugin: Install, entry: str, message: str) -> None:
    install_plugin("guessing", MODELS, {"guess": entry}, {"guessing_nets": MODULE})
    with pytest.raises(PluginError, match=message) as caught:
        build_model("guess", ModelOptions(), node_dim=5, edge_dim=4)
    assert "'guess'" in caught.value.message
    assert "guessing" in caught.value.message
    assert isinstance(build_model("proteingat", ModelOptions(), node_dim=5, edge_dim=4), ProteinGAT)
