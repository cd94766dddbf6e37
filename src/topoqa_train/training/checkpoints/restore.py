"""Bringing optimizer, scheduler and random states back from a checkpoint, or refusing it whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from topoqa_train.errors import RequestError
from topoqa_train.training.determinism import (
    WRONG_STATES,
    random_states,
    restore_random_states,
)

# What Adam has no default for once a state is loaded.
_NEEDED = ("lr", "betas", "eps", "weight_decay", "params")


def restore(
    document: Mapping[str, Any], optimizer: torch.optim.Optimizer, scheduler: ReduceLROnPlateau
) -> None:
    """Make all three what they were when the checkpoint `document` was written."""
    optimizer.load_state_dict(document["optimizer_states"][0])
    scheduler.load_state_dict(document["lr_schedulers"][0])
    restore_random_states(document["random_states"])


def rehearse(
    document: Mapping[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer, path: Path
) -> None:
    """Find out whether `restore` will do, with an optimizer over `network` that nobody needs.

    Nothing but that optimizer is changed by it.

    Raises:
        RequestError: the checkpoint, read from `path`, has states that don't fit.
    """
    scheduler = ReduceLROnPlateau(optimizer)
    faults = [
        *_optimizer_faults(document["optimizer_states"][0], network, optimizer),
        *_unlike(document["lr_schedulers"][0], scheduler.state_dict(), "lr_schedulers"),
    ]
    if faults:
        raise RequestError(
            f"{path} is no checkpoint to go on from: its states don't fit the network",
            details=faults[:4],
            hint="Take another checkpoint of its run, or start a new run from its weights: "
            "topoqa-train run --resume-from CKPT",
        )
    before = random_states()
    try:
        restore(document, optimizer, scheduler)
    except (RequestError, *WRONG_STATES) as error:
        why = " ".join(str(error).split())[:200]
        raise RequestError(f"{path} is no checkpoint to go on from: {why}") from error
    finally:
        restore_random_states(before)


def _optimizer_faults(
    state: Mapping[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer
) -> list[str]:
    groups, kept = state.get("param_groups"), state.get("state")
    fresh = optimizer.state_dict()["param_groups"]
    if not isinstance(groups, list) or len(groups) != len(fresh) or not isinstance(kept, dict):
        return ["optimizer_states"]
    faults = [
        fault
        for theirs, ours in zip(groups, fresh, strict=True)
        for fault in _unlike(theirs, ours, "optimizer_states.param_groups")
    ]
    faults += [
        f"optimizer_states.param_groups.{key}"
        for theirs in groups
        for key in _NEEDED
        if isinstance(theirs, dict) and key not in theirs
    ]
    parameters = list(network.parameters())
    for number, each in kept.items():
        if number not in range(len(parameters)) or not isinstance(each, dict):
            faults.append(f"optimizer_states.state.{number}")
        else:
            faults += _moments_faults(each, parameters[number], f"optimizer_states.state.{number}")
    return faults


def _moments_faults(moments: Mapping[str, Any], parameter: Tensor, place: str) -> list[str]:
    """What Adam keeps of one parameter: the steps it has made, and two means of its shape."""
    shapes = {"step": (), "exp_avg": tuple(parameter.shape), "exp_avg_sq": tuple(parameter.shape)}
    if moments.keys() != shapes.keys():
        return [place]
    return [
        f"{place}.{name}"
        for name, shape in shapes.items()
        if not isinstance(moments[name], Tensor)
        or tuple(moments[name].shape) != shape
        or not moments[name].dtype.is_floating_point
    ]


def _unlike(theirs: object, ours: Mapping[str, Any], place: str) -> list[str]:
    """The keys that no fresh state has, or whose values are of another kind.

    One that is missing keeps its fresh value: an older torch had fewer.
    """
    if not isinstance(theirs, dict):
        return [place]
    return [
        f"{place}.{key}"
        for key, value in theirs.items()
        if key not in ours or not _alike(value, ours[key])
    ]


def _alike(theirs: object, ours: object) -> bool:
    """Whether a value could have come about from the fresh one, as a number changes."""
    if isinstance(ours, list | tuple):
        return (
            isinstance(theirs, list | tuple)
            and len(theirs) == len(ours)
            and all(map(_alike, theirs, ours))
        )
    if isinstance(ours, bool) or ours is None or isinstance(ours, str):
        return type(theirs) is type(ours) and theirs == ours
    return isinstance(theirs, int | float) and not isinstance(theirs, bool) and _is_number(theirs)


def _is_number(value: float) -> bool:
    """Not NaN; a scheduler starts with infinity as its best."""
    return abs(value) < 2**62 or math.isinf(value)
