"""Restoring the states of optimizer, scheduler and random generators from a checkpoint."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from topoqa_train.errors import RequestError
from topoqa_train.training.determinism import (
    STATE_ERRORS,
    random_states,
    restore_random_states,
)
from topoqa_train.training.lit_module import DockQModule

_STATES = ("optimizer_states", "lr_schedulers", "random_states")


def restore(
    document: Mapping[str, Any], optimizer: torch.optim.Optimizer, scheduler: ReduceLROnPlateau
) -> None:
    """Set optimizer, scheduler and random generators to their states in a checkpoint."""
    optimizer.load_state_dict(document["optimizer_states"][0])
    scheduler.load_state_dict(document["lr_schedulers"][0])
    restore_random_states(document["random_states"])


def rehearse(document: Mapping[str, Any], module: DockQModule, path: Path) -> None:
    """Restore the states to a copy of `module` and take one step, without lasting effects.

    torch loads states of wrong shapes and types without complaint and fails at the first step:
    that would be after the run's files have been changed.

    Raises:
        RequestError: the states in the checkpoint, read from `path`, don't fit.
    """
    trial = copy.deepcopy(module)
    optimizer = trial.configure_optimizers()
    scheduler = ReduceLROnPlateau(optimizer)
    before = random_states()
    try:
        # Loaded states share their tensors with `document`, and the step would change them. The
        # run resumes from the same document afterwards, so the rehearsal works on copies.
        restore({key: copy.deepcopy(document[key]) for key in _STATES}, optimizer, scheduler)
        if not all(math.isfinite(group["lr"]) for group in optimizer.param_groups):
            raise ValueError("its learning rate is not a finite number")
        for parameter in trial.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        scheduler.step(0.0)
    except (RequestError, *STATE_ERRORS) as error:
        raise RequestError(
            f"can't resume from {path}: {' '.join(str(error).split())[:200]}",
            hint="Take another checkpoint of its run, or start a new run from its weights: "
            "topoqa-train run --resume-from CKPT",
        ) from error
    finally:
        restore_random_states(before)
