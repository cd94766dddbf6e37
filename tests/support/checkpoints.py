"""Checkpoints as a training of a small network writes them."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from topoqa_train.training import engine
from topoqa_train.training.checkpoints.checkpoint_file import NetworkIdentity
from topoqa_train.training.determinism import random_states
from topoqa_train.training.lit_module import DockQModule

OPTIONS = {"attention_head": 1, "pooling_type": "mean", "use_layer_norm": False, "extra": {}}
NETWORK = NetworkIdentity("proteingat", OPTIONS, node_dim=2, edge_dim=1)
RANKED = {
    "file": "checkpoint.sel--0.10000_val-0.05307_epoch3.chkpt",
    "epoch": 3,
    "val_loss": 0.05307,
    "selection_metric": -0.1,
    "val_spearman_corr": float("nan"),
}
PLAIN = {
    "epoch": 3,
    "global_step": 8,
    "state_dict": {"weight": torch.arange(6.0)},
    "hyper_parameters": {
        "architecture": "proteingat",
        "options": OPTIONS,
        "node_dim": 2,
        "edge_dim": 1,
    },
    "optimizer_states": [{}],
    "lr_schedulers": [{}],
    "random_states": {},
    "progress": {
        "epochs_done": 4,
        "global_step": 8,
        "ranking": {"metric": "selection_metric", "best": [RANKED], "other": None},
        "stopping_best": 0.05,
        "stopping_wait": 0,
        "seconds": 3.0,
    },
}


def trained() -> tuple[DockQModule, torch.optim.Optimizer, ReduceLROnPlateau]:
    module = DockQModule(engine.build_network(NETWORK), 0.01)
    optimizer = module.configure_optimizers()
    assert isinstance(optimizer, torch.optim.Adam)
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    scheduler = ReduceLROnPlateau(optimizer, patience=1)
    scheduler.step(0.5)
    return module, optimizer, scheduler


def after_an_epoch() -> dict[str, Any]:
    """All that a training writes after an epoch."""
    module, optimizer, scheduler = trained()
    return {
        **PLAIN,
        "state_dict": dict(module.network.state_dict()),
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [scheduler.state_dict()],
        "random_states": random_states(),
    }
