"""The files of a run as flat names and values: parameters, tags, metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from topoqa_trackers.uri import without_password
from topoqa_train.api import RunSummary

# Name and epoch, to value and time in milliseconds since 1970.
Metrics = dict[tuple[str, int], tuple[float, int]]


def parameters(run: RunSummary) -> dict[str, str]:
    """Return how the network was trained and on what; nested keys are dotted."""
    document = run.metadata
    data = {name: document.data.get(name) for name in ("name", "version", "graphs", "fingerprint")}
    every = {
        **document.training_parameters,
        "selection": document.selection,
        "data": data,
        "started_from": document.started_from or {},
    }
    return {name: as_text(value) for name, value in _flat(every)}


def tags(run: RunSummary) -> dict[str, str]:
    """Return where the run comes from and its state."""
    document = run.metadata
    best = (document.checkpoints.get("ranking") or [{}])[0]
    found = {
        "run_dir": str(run.paths.root),
        "status": run.status.value,
        "run_name": document.run_name,
        "job": document.job,
        "trial_label": document.trial_label,
        "notes": document.notes,
        "git_commit": (document.git or {}).get("commit"),
        "git_dirty": (document.git or {}).get("dirty"),
        "command": without_password(" ".join(document.command)) or None,
        "host": document.host.get("name"),
        "started": document.created,
        "best_checkpoint": best.get("path"),
        "best_epoch": best.get("epoch"),
        "error": (document.error or {}).get("message"),
    }
    return {name: as_text(value) for name, value in found.items() if value is not None}


def epoch_metrics(run: RunSummary) -> Metrics:
    """Return every finite value of metrics.csv.

    The times depend on the files alone, so a store recognizes a value that is sent twice.
    """
    found: Metrics = {}
    now = milliseconds(run.metadata.created)
    for row in run.rows:
        seconds = row.get("epoch_seconds", 0.0)
        now += round(seconds * 1000) if math.isfinite(seconds) else 0
        for name, value in row.items():
            if name != "epoch" and math.isfinite(value):
                found[name, int(row["epoch"])] = value, now
    return found


def split_metrics(run: RunSummary) -> Metrics:
    """Return the metrics of the best checkpoint on the test split, at the last epoch."""
    if run.status != "completed" or not run.rows:
        return {}
    last, now = int(run.rows[-1]["epoch"]), milliseconds(run.metadata.completed)
    return {
        (f"test_{name}", last): (float(value), now)
        for name, value in (run.metadata.test or {}).items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def milliseconds(text: str | None) -> int:
    """Return milliseconds since 1970 of a time in metadata, 0 if there is none."""
    try:
        return round(datetime.fromisoformat(text or "").timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return 0


def as_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return a string as it is, any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, Mapping):
            yield from _flat(part, f"{above}{name}.")
        else:
            yield f"{above}{name}", part
