"""What a run's documents say, in MLflow's terms: parameters, tags, metrics."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from topoqa_train.config.models import MLflowConfig
from topoqa_train.runs.metadata import RunMetadata, moment
from topoqa_train.runs.status import Status
from topoqa_train.tracking.uri import without_secret

# MLflow refuses longer ones, and with them the whole batch; older servers are the stricter.
MAX_KEY, MAX_PARAMETER, MAX_TAG = 250, 500, 5000
# The tag by which a copy of a run is told from the run.
RUN_DIR = "run_dir"
_NOT_IN_KEYS = re.compile(r"[^A-Za-z0-9_.\- /]")
_FINAL = {
    Status.COMPLETED: "FINISHED",
    Status.FAILED: "FAILED",
    Status.INTERRUPTED: "KILLED",
}


@dataclass(frozen=True)
class Measured:
    """A metric of an epoch; `milliseconds` since 1970, and the same whenever it is asked for.

    A store that has it already then takes it as the same, not as another of that epoch.
    """

    name: str
    epoch: int
    value: float
    milliseconds: int


@dataclass
class Entries:
    """What goes into a run of MLflow, or what is there."""

    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[tuple[str, int], Measured] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.parameters or self.tags or self.metrics)

    @property
    def epochs(self) -> int:
        """How many epochs have a metric."""
        return len({epoch for _, epoch in self.metrics})

    def add(self, other: Entries) -> None:
        """Take over what `other` has."""
        self.parameters |= other.parameters
        self.tags |= other.tags
        self.metrics |= other.metrics

    def lacking(self, wanted: Entries) -> Entries:
        """What of `wanted` is not here yet.

        A parameter can't be changed in MLflow: what it is now goes into a tag. The error of an
        earlier sitting is emptied.
        """
        parameters = wanted.parameters.items()
        over = {"error": ""} if "error" in self.tags else {}
        changed = {
            f"now.{name}": value
            for name, value in parameters
            if self.parameters.get(name, value) != value or f"now.{name}" in self.tags
        }
        return Entries(
            {name: value for name, value in parameters if name not in self.parameters},
            {
                name: value
                for name, value in {**over, **changed, **wanted.tags}.items()
                if self.tags.get(name) != value
            },
            {at: metric for at, metric in wanted.metrics.items() if at not in self.metrics},
        )


def entries_of(
    document: RunMetadata,
    rows: Sequence[Mapping[str, float]],
    status: Status,
    config: MLflowConfig,
    folder: Path,
) -> Entries:
    """All that MLflow is to know of the run in `folder`, but for its files."""
    return Entries(
        parameters=parameters(document),
        tags={RUN_DIR: str(folder)[:MAX_TAG], **tags(document, status, config)},
        metrics={
            (metric.name, metric.epoch): metric
            for metric in (*of_epochs(document, rows), *of_test(document, rows, status))
        },
    )


def final_status(status: Status) -> str:
    """The word that MLflow has for the end of a run."""
    return _FINAL[status]


def contradicts(there: Entries, rows: Sequence[Mapping[str, float]]) -> bool:
    """Whether MLflow has figures of an epoch that the run has measured otherwise, or no longer has.

    So it is when a run went back to an earlier checkpoint: what is in MLflow can't be taken back.
    """
    figures = {
        (_key(name), int(row["epoch"])): value for row in rows for name, value in row.items()
    }
    columns = {name for name, _ in figures} or {"val_loss"}
    return any(
        not math.isclose(metric.value, figures.get(at, math.nan), rel_tol=1e-9, abs_tol=1e-12)
        for at, metric in there.metrics.items()
        if metric.name in columns
    )


def parameters(document: RunMetadata) -> dict[str, str]:
    """How it was trained and on what, nested keys dotted."""
    data = {name: document.data.get(name) for name in ("name", "version", "graphs", "fingerprint")}
    every = {
        **document.training_parameters,
        "selection": document.selection,
        "data": data,
        "started_from": document.started_from or {},
    }
    return {name: _text(value)[:MAX_PARAMETER] for name, value in _flat(every)}


def tags(document: RunMetadata, status: Status, config: MLflowConfig) -> dict[str, str]:
    """Where it comes from and how it stands; the config's own tags are the stronger."""
    git = document.git or {}
    ranking = document.checkpoints.get("ranking") or [{}]
    ours = {
        "status": status.value,
        "run_name": document.run_name,
        "job": document.job,
        "trial_label": document.trial_label,
        "notes": document.notes,
        "mlflow.note.content": document.notes,
        "git_commit": git.get("commit"),
        "git_dirty": git.get("dirty"),
        "mlflow.source.git.commit": git.get("commit"),
        "mlflow.source.name": without_secret(" ".join(document.command)) or None,
        "host": document.host.get("name"),
        "started": document.created,
        "best_checkpoint": ranking[0].get("path"),
        "best_epoch": ranking[0].get("epoch"),
        "error": (document.error or {}).get("message"),
    }
    every = {**{name: value for name, value in ours.items() if value is not None}, **config.tags}
    return {_key(name): _text(value)[:MAX_TAG] for name, value in every.items()}


def of_epochs(document: RunMetadata, rows: Sequence[Mapping[str, float]]) -> Iterator[Measured]:
    """Every figure of metrics.csv; what is undefined has none."""
    now = milliseconds(document.created)
    for row in rows:
        seconds = row.get("epoch_seconds", 0.0)
        now += round(seconds * 1000) if math.isfinite(seconds) else 0
        for name, value in row.items():
            if name != "epoch" and math.isfinite(value):
                yield Measured(_key(name), int(row["epoch"]), value, now)


def of_test(
    document: RunMetadata, rows: Sequence[Mapping[str, float]], status: Status
) -> Iterator[Measured]:
    """The figures of the best checkpoint on the test split, at the last epoch."""
    if status is not Status.COMPLETED or not rows:
        return
    last, now = int(rows[-1]["epoch"]), milliseconds(document.completed)
    for name, value in (document.test or {}).items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield Measured(_key(f"test_{name}"), last, float(value), now)


def milliseconds(text: str | None) -> int:
    """Milliseconds since 1970 of a moment as metadata has it; 0 where it is none."""
    found = moment(text)
    return 0 if found is None else round(found.timestamp() * 1000)


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        if isinstance(part, Mapping):
            yield from _flat(part, f"{above}{name}.")
        else:
            yield _key(f"{above}{name}"), part


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@cache
def _key(name: str) -> str:
    """`name` in the letters that MLflow allows in a key."""
    parts = [part for part in _NOT_IN_KEYS.sub("_", name).split("/") if part.strip(". ")]
    return "/".join(parts)[:MAX_KEY] or "_"
