"""A run directory written by hand."""

from __future__ import annotations

import csv
import json
import os
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

# Before MLflow is imported: it would report home.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

BEST = "checkpoint.val-0.20000_epoch3.chkpt"


class RunDirectory:
    """The run `r`: four epochs in its table, two of them counted, trained by this process."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process = {
            "pid": os.getpid(),
            "started": psutil.Process().create_time(),
            "host": socket.gethostname(),
        }
        for folder in ("config", "metrics", "model_checkpoints"):
            (root / folder).mkdir(parents=True)
        self.write_rows(4)
        (root / "model_checkpoints" / BEST).write_text("weights")
        (root / "model_checkpoints" / "best.ckpt").symlink_to(BEST)
        (root / "config" / "config.yaml").write_text("{}")
        document = {
            "run_name": "r",
            "created": "2026-01-31T12:00:00.000+00:00",
            "status": "running",
            "process": self.process,
            "progress": {"epochs_done": 2},
        }
        (root / "run_metadata.json").write_text(json.dumps(document))

    def write_rows(self, count: int, **values: float) -> None:
        with (self.root / "metrics" / "metrics.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["epoch", "val_loss", "epoch_seconds", *values])
            for epoch in range(count):
                table.writerow([epoch, 0.5 - epoch / 10, 2.5, *values.values()])

    def change(self, **fields: Any) -> None:
        file = self.root / "run_metadata.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))

    def complete(self) -> None:
        self.change(status="completed", completed="2026-01-31T13:00:00+00:00")

    @property
    def record(self) -> dict[str, Any]:
        return json.loads((self.root / "mlflow.json").read_text())


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "runs" / "r")
