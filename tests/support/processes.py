"""Commands at work in a process of their own, and what their runs say."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch
from projects import EXECUTABLE, environment

PATIENCE_SECONDS = 120
ENDLESS = ("-o", "trainer.num_epochs=100000", "-o", "early_stopping.patience=100000")


def start(*arguments: object, **changes: str) -> subprocess.Popen[str]:
    """A command at work; `changes` are to its environment."""
    return subprocess.Popen(
        [EXECUTABLE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**changes),
        start_new_session=True,
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Poll until `condition` holds; the time bounds a hang and judges nothing."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def epochs_of(runs: Path, name: str) -> int:
    files = list(runs.glob(f"{name}*/metrics/metrics.csv"))
    return sum(len(file.read_text().splitlines()) - 1 for file in files)


def numbers(run: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without what no two runs share."""
    with (run / "metrics" / "metrics.csv").open() as file:
        return [
            {k: v for k, v in row.items() if k != "epoch_seconds"} for row in csv.DictReader(file)
        ]


def weights(checkpoint: Path) -> str:
    """A hash of the weights in a checkpoint."""
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode() + state[name].numpy().tobytes())
    return digest.hexdigest()
