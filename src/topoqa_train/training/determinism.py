"""Reproducibility: same config, data and machine give the same numbers, bit for bit."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from topoqa_train.errors import RequestError

_NUMPY_KEYS = 624
# What python, numpy and torch raise for invalid states.
STATE_ERRORS = (
    *(LookupError, TypeError, ValueError, AttributeError),
    *(RuntimeError, ArithmeticError, AssertionError),
)


def seed_everything(seed: int, threads: int) -> None:
    """Seed python, numpy and torch, select deterministic kernels, and fix the thread count.

    The thread count affects results, because a sum over two threads rounds differently from a sum
    over one. Scatter on CUDA is deterministic only with these flags, and slower.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.set_num_threads(threads)


def random_states() -> dict[str, Any]:
    """Return all global random states in types that load with `weights_only`."""
    version, numbers, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": {"version": version, "numbers": list(numbers), "gauss": gauss},
        "numpy": {
            "keys": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Restore the states that `random_states` returned.

    Raises:
        RequestError: the states are incomplete or invalid.
    """
    try:
        python, numpy_state = states["python"], states["numpy"]
        random.setstate((python["version"], tuple(python["numbers"]), python["gauss"]))
        np.random.set_state(_numpy_state(numpy_state))
        torch.set_rng_state(states["torch"])
        if states["cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(states["cuda"])
        if states["mps"] is not None and torch.backends.mps.is_available():
            torch.mps.set_rng_state(states["mps"])
    except STATE_ERRORS as error:
        raise RequestError(f"the checkpoint's random states can't be restored: {error}") from error


def _numpy_state(state: dict[str, Any]) -> tuple[str, np.ndarray, int, int, float]:
    position = state["position"]
    if type(position) is not int or not 0 <= position <= _NUMPY_KEYS:
        # numpy does not check it and would read beyond its keys.
        raise ValueError("numpy's position is outside its keys")
    keys = state["keys"].numpy().astype(np.uint32)
    return "MT19937", keys, position, state["has_gauss"], state["cached"]
