"""Directories as the reference pipeline leaves them, byte by byte, with no help of the product."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ELSEWHERE = "/home/elsewhere/qtdaqa/new_dynamic_features/model_training"
COLUMNS = ("epoch", "step", "train_mse", "val_loss", "val_pearson_corr", "val_spearman_corr")
CREATED, COMPLETED = "2025-11-03T09:15:02.123456", "2025-11-03T11:47:33.654321"
SECONDS = 9151.530865  # between the two

Names = Literal["val", "sel", "bare"]
Links = Literal["relative", "absolute", "elsewhere", "broken", "none"]
Order = Literal["val first", "train first"]


@dataclass(frozen=True)
class Measured:
    """What one epoch of a run measured; None is what was not measured yet."""

    val_loss: float | None
    rho: float | None = 0.5
    train_mse: float | None = 0.04

    def selection(self, weight: float = 1.0) -> float:
        return (self.val_loss or 0.0) - weight * max(0.0, self.rho or 0.0)


def training(epochs: int, seed: int = 222) -> list[Measured]:
    """A training as they go: val_loss falls and the correlation rises, with noise on both."""
    rng = random.Random(seed)
    return [
        Measured(
            val_loss=0.05 + 0.08 * 0.96**epoch + rng.uniform(0, 0.004),
            rho=0.72 - 0.6 * 0.95**epoch + rng.uniform(-0.02, 0.02),
            train_mse=0.04 + 0.09 * 0.95**epoch,
        )
        for epoch in range(epochs)
    ]


def table(
    history: Sequence[Measured],
    *,
    first: int = 0,
    steps: int = 7,
    order: Order = "val first",
    rates: Sequence[float] = (),
) -> str:
    """Lightning's metrics.csv: of each epoch one row with train_mse and one with the rest.

    With `rates`, `lr-Adam` is logged as LearningRateMonitor does: a row before its epoch's, and
    no epoch in it.
    """
    lines = [",".join([*COLUMNS, *(["lr-Adam"] if rates else [])])]
    end = "," if rates else ""
    for epoch, measured in enumerate(history, start=first):
        step = (epoch + 1) * steps - 1
        if rates:
            lines.append(f",{epoch * steps},,,,,{rates[epoch - first]!r}")
        rows = []
        if measured.val_loss is not None:
            correlations = f"{_cell(measured.rho)},{_cell(measured.rho)}"
            rows.append(f"{epoch},{step},,{measured.val_loss!r},{correlations}{end}")
        if measured.train_mse is not None:
            rows.append(f"{epoch},{step},{measured.train_mse!r},,,{end}")
        lines += rows if order == "val first" else rows[::-1]
    return "\n".join(lines) + "\n"


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


def metadata(name: str, **changes: Any) -> dict[str, Any]:
    """run_metadata.json of a run that completed on another machine; `...` takes a field out."""
    run = f"{ELSEWHERE}/training_runs/{name}"
    document = {
        "run_name": name,
        "created": CREATED,
        "completed": COMPLETED,
        "config_path": f"{run}/config/config.yaml",
        "command": ["python", "-m", "qtdaqa.new_dynamic_features.model_training.train_cli", "run"],
        "git": {"commit": "0123abc", "dirty": True},
        "environment": {"PYTHONHASHSEED": "222"},
        "training_parameters": {
            "learning_rate": 0.005,
            "batch_size": 16,
            "num_epochs": 260,
            "accelerator": "cpu",
            "accumulate_grad_batches": 16,
            "seed": 222,
        },
        "selection": {
            "primary_metric": "selection_metric",
            "use_val_spearman": True,
            "spearman_weight": 1.0,
            "spearman_min_delta": 0.0,
        },
        "runtime": {"total_seconds": 9000.5, "mean_epoch_seconds": 71.4},
        "checkpoints": {"best": f"{run}/model_checkpoints/best.ckpt"},
        **changes,
    }
    return {key: value for key, value in document.items() if value is not ...}


def checkpoint_name(epoch: int, measured: Measured, names: Names, weight: float = 1.0) -> str:
    loss = f"{measured.val_loss:.5f}"
    if names == "bare":
        return f"model.{loss}.chkpt"
    selected = f"sel-{measured.selection(weight):.5f}_" if names == "sel" else ""
    return f"checkpoint.{selected}val-{loss}_epoch{epoch}.chkpt"


def write_legacy_run(
    root: Path,
    name: str = "sched_boost_seed222_2025-11-03_09-15-02",
    history: Sequence[Measured] | None = None,
    *,
    document: Mapping[str, Any] | str | None = None,
    metrics: Mapping[str, str] | None = None,
    config: str | None = None,
    names: Names = "val",
    links: Links = "absolute",
    weight: float = 1.0,
) -> Path:
    """A run with its three best checkpoints. `names` also says by what they were ranked.

    `document` is the metadata, or their text (default: `metadata(name)`; `""` for none);
    `metrics` is path to content of the tables (default: one, in `cpu_training/version_0`).
    """
    run = root / name
    history = training(127) if history is None else history
    if document is None:
        document = metadata(name)
    if document != "":
        text = document if isinstance(document, str) else json.dumps(document)
        _write(run / "run_metadata.json", text)
    tables = {"cpu_training/version_0/metrics.csv": table(history)} if metrics is None else metrics
    for path, content in tables.items():
        _write(run / path, content)
    if config is not None:
        _write(run / "config" / "config.yaml", config)
    _checkpoints(run / "model_checkpoints", history, names, links, weight)
    return run


def _checkpoints(
    folder: Path, history: Sequence[Measured], names: Names, links: Links, weight: float
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    measured = [
        (entry.selection(weight) if names == "sel" else entry.val_loss, epoch, entry)
        for epoch, entry in enumerate(history)
        if entry.val_loss is not None and entry.val_loss == entry.val_loss
    ]
    best = sorted(measured, key=lambda item: item[:2])[:3]
    for link, (_, epoch, entry) in zip(("best", "second_best", "third_best"), best, strict=False):
        file = checkpoint_name(epoch, entry, names, weight)
        (folder / file).write_text(f"weights of epoch {epoch}")
        target = {
            "relative": file,
            "absolute": str(folder.absolute() / file),
            "elsewhere": f"{ELSEWHERE}/training_runs/{folder.parent.name}/{folder.name}/{file}",
            "broken": f"{ELSEWHERE}/training_runs/gone/{link}.chkpt",
        }.get(links)
        if target is not None:
            (folder / f"{link}.ckpt").symlink_to(target)
    (folder / "last.ckpt").write_text("where to go on")


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


FLAT_CONFIG = f"""\
accelerator: cpu
accumulate_grad_batches: 16
attention_head: 8
batch_size: 16
early_stopping_patience: 45
graph_dir: {ELSEWHERE}/graph_data
learning_rate: 0.005
lr_scheduler_factor: 0.2
lr_scheduler_patience: 6
num_epochs: 260
pooling_type: mean
save_dir: {ELSEWHERE}/training_runs
seed: 222
train_label_file: {ELSEWHERE}/train.csv
val_label_file: {ELSEWHERE}/val.csv
use_val_spearman_as_secondary: true
spearman_secondary_weight: 2.0
spearman_secondary_min_delta: 0.1
some_key_of_the_time: 7
"""
