"""Random states come back whole, through a checkpoint file too."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from topoqa_train.errors import RequestError
from topoqa_train.training.checkpoints import checkpoint_file
from topoqa_train.training.determinism import (
    random_states,
    restore_random_states,
    seed_everything,
)


def draws() -> tuple[float, float, float, float]:
    return (
        random.random(),
        float(np.random.random()),
        float(np.random.standard_normal()),
        float(torch.rand(())),
    )


@pytest.mark.parametrize("seed", [0, 222, 2**32 - 1])
def test_a_seed_decides_every_source(seed: int) -> None:
    seed_everything(seed, threads=1)
    first = draws()
    seed_everything(seed, threads=1)
    assert draws() == first
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()


def test_states_continue_after_a_checkpoint_file(tmp_path: Path) -> None:
    seed_everything(5, threads=1)
    # Half of a pair of normal deviates stays behind in numpy and python: it must come back too.
    random.gauss(0, 1)
    np.random.standard_normal()
    content = checkpoint_file.serialise({"state_dict": {}, "random_states": random_states()})
    (tmp_path / "a.ckpt").write_bytes(content)
    after = (random.gauss(0, 1), *draws())
    restore_random_states(checkpoint_file.read_any(tmp_path / "a.ckpt")["random_states"])
    assert (random.gauss(0, 1), *draws()) == after


@pytest.mark.parametrize("part", ["python", "numpy", "torch"])
def test_states_with_a_part_missing_are_refused(part: str) -> None:
    states = random_states()
    del states[part]
    with pytest.raises(RequestError, match="random states"):
        restore_random_states(states)
