"""How a training that Lightning leaves comes back to us."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from topoqa_train.errors import RequestError, TerminatedRunError
from topoqa_train.training import engine
from topoqa_train.training.checkpoint import NetworkIdentity, Progress
from topoqa_train.training.lit_module import DockQModule
from topoqa_train.training.model import published


def test_a_sigterm_that_lightning_noticed_first_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: Any, **__: Any) -> None:
        raise SIGTERMException

    trainer = SimpleNamespace(fit=fit)
    monkeypatch.setattr(engine, "_trainer", lambda *_: trainer)
    monkeypatch.setattr(engine, "_begin_at", lambda *_: None)
    config: Any = SimpleNamespace(
        trainer=SimpleNamespace(num_epochs=3),
        dataloader=SimpleNamespace(batch_size=1, num_workers=0, seed=1),
    )
    data: Any = SimpleNamespace(train=None, val=None)
    keeper: Any = SimpleNamespace(progress=Progress())
    nothing: Any = None
    with pytest.raises(TerminatedRunError):
        engine._run_trainer(config, engine.FitOptions(), data, nothing, keeper, nothing)


@pytest.mark.parametrize("name", sorted(engine.OWNED_ARGUMENTS))
def test_what_a_run_decides_is_no_trainer_argument(name: str) -> None:
    with pytest.raises(RequestError, match=name):
        engine.check_trainer_args({name: 1})


class TestWeightsOfOthers:
    """A training may start from the published network, where the config asks for that one."""

    @pytest.fixture
    def theirs(self, tmp_path: Path) -> Path:
        torch.manual_seed(3)
        names = {ours: theirs for theirs, ours in published._names(layer_norm=False)}
        weights = {
            names[name]: value.unsqueeze(0) if name.endswith("attention.attention") else value
            for name, value in module(identity()).network.state_dict().items()
        }
        torch.save({"state_dict": weights, "epoch": 199}, tmp_path / "theirs.ckpt")
        return tmp_path / "theirs.ckpt"

    @pytest.mark.parametrize("pooling", ["mean", "max"])
    def test_they_are_taken(self, theirs: Path, pooling: str) -> None:
        wanted = identity(pooling_type=pooling)
        torch.manual_seed(3)
        same = module(identity()).network.state_dict()
        torch.manual_seed(4)
        fresh = module(wanted)
        engine._load_weights(fresh, theirs, wanted)
        for name, value in fresh.network.state_dict().items():
            assert torch.equal(value, same[name])

    @pytest.mark.parametrize(
        ("options", "node_dim", "said"),
        [
            ({"use_layer_norm": True}, 6, "use_layer_norm: False in the checkpoint, True in"),
            ({"attention_head": 8}, 6, "attention_head: 4 in the checkpoint, 8 in"),
            ({}, 7, "node_dim: 6 in the checkpoint, 7 in"),
        ],
    )
    def test_unless_the_config_s_network_is_another(
        self, theirs: Path, options: dict[str, Any], node_dim: int, said: str
    ) -> None:
        wanted = identity(node_dim=node_dim, **options)
        with pytest.raises(RequestError) as caught:
            engine._load_weights(module(wanted), theirs, wanted)
        assert any(said in line for line in caught.value.details)

    def test_weights_of_any_other_make_are_refused_by_name(self, tmp_path: Path) -> None:
        torch.save({"state_dict": {"fc.weight": torch.ones(1)}}, tmp_path / "x.ckpt")
        with pytest.raises(RequestError, match="does not hold the published network"):
            engine._load_weights(module(identity()), tmp_path / "x.ckpt", identity())


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
    return DockQModule(engine.network_as(network), 0.01)
