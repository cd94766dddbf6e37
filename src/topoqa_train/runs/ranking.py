"""Which checkpoints are kept: names, order and links. Plain data, without tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

VAL_LOSS = "val_loss"
SELECTION = "selection_metric"
LINKS = ("best.ckpt", "second_best.ckpt", "third_best.ckpt")
KEPT = len(LINKS)
# Metrics come from plugins too, so the direction is taken from the words of a name. Whole words:
# `val_steepness` contains "step", but is not a number of steps.
_LOWER = frozenset(
    {"loss", "mse", "rmse", "mae", "error", "seconds", "epoch", "step", "lr", "learning"}
)


def lower_is_better(metric: str) -> bool:
    """Return whether small values of a metric are good, as for losses."""
    return metric == SELECTION or not _LOWER.isdisjoint(re.split(r"[^a-z0-9]", metric.lower()))


@dataclass(frozen=True)
class Ranked:
    """One checkpoint file with its metrics; `epoch` counts from 0."""

    file: str
    epoch: int
    val_loss: float
    selection_metric: float
    val_spearman_corr: float

    def value(self, metric: str) -> float:
        """Return the value of `metric`: `val_loss` or `selection_metric`."""
        return self.val_loss if metric == VAL_LOSS else self.selection_metric


@dataclass
class Ranking:
    """The three best by `metric` and the best by the other of the two, best first.

    A NaN never ranks. Of equals the earlier epoch is better.
    """

    # A resumed run must rank as one that was never stopped. With the earlier epoch first among
    # equals, the result does not depend on the order in which checkpoints are added, and a later
    # epoch never replaces a file that is just as good.

    metric: str
    best: list[Ranked] = field(default_factory=list)
    other: Ranked | None = None

    @property
    def other_metric(self) -> str:
        """The one of the two metrics that does not rank."""
        return SELECTION if self.metric == VAL_LOSS else VAL_LOSS

    def would_keep(self, candidate: Ranked) -> bool:
        """Return whether `candidate` would be kept."""
        return candidate in self._best_with(candidate) or self._is_best_other(candidate)

    def add(self, candidate: Ranked) -> None:
        """Rank `candidate`; a checkpoint that drops out is no longer in `files()`."""
        self.best = self._best_with(candidate)
        if self._is_best_other(candidate):
            self.other = candidate

    def files(self) -> set[str]:
        """Return the names of all checkpoints to keep."""
        return {entry.file for entry in (*self.best, self.other) if entry is not None}

    def keep_only(self, there: Container[str]) -> None:
        """Forget the checkpoints whose files are not `there`.

        If the best by the other metric is lost, the best one left takes its place.
        """
        # The files of checkpoints that dropped out earlier are deleted, so none of them can move
        # up into a free place. The next epochs fill it.
        self.best = [entry for entry in self.best if entry.file in there]
        if self.other is not None and self.other.file not in there:
            known = [e for e in self.best if not math.isnan(e.value(self.other_metric))]
            self.other = next(iter(_in_order(known, self.other_metric)), None)

    def links(self) -> dict[str, str]:
        """Return link name to file name, as in `model_checkpoints/`."""
        links = {name: entry.file for name, entry in zip(LINKS, self.best, strict=False)}
        if self.other is not None:
            links[f"best_{self.other_metric}.ckpt"] = self.other.file
        return links

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON types; see `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Ranking:
        """Return the ranking that `to_json` wrote."""
        other = document.get("other")
        return cls(
            metric=str(document["metric"]),
            best=[Ranked(**entry) for entry in document["best"]],
            other=None if other is None else Ranked(**other),
        )

    def _best_with(self, candidate: Ranked) -> list[Ranked]:
        if math.isnan(candidate.value(self.metric)):
            return list(self.best)
        return _in_order([*self.best, candidate], self.metric)[:KEPT]

    def _is_best_other(self, candidate: Ranked) -> bool:
        value = candidate.value(self.other_metric)
        if math.isnan(value):
            return False
        return self.other is None or value < self.other.value(self.other_metric)


def file_name(metric: str, epoch: int, val_loss: float, selection_metric: float) -> str:
    """Return `checkpoint.val-0.05307_epoch127.chkpt`, with `sel-...` first if that ranks."""
    selected = f"sel-{selection_metric:.5f}_" if metric == SELECTION else ""
    return f"checkpoint.{selected}val-{val_loss:.5f}_epoch{epoch}.chkpt"


def epoch_of(name: str) -> int | None:
    """Return the epoch, from 0, in the name of a ranked checkpoint; None for any other name."""
    _, found, rest = name.rpartition("_epoch")
    digits = rest.removesuffix(".chkpt")
    return int(digits) if found and digits.isdecimal() else None


def _in_order(entries: Iterable[Ranked], metric: str) -> list[Ranked]:
    return sorted(entries, key=lambda entry: (entry.value(metric), entry.epoch))
