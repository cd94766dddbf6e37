"""What ranked the checkpoints of a run of the reference, and the selection metric of its epochs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from topoqa_train.runs.checkpoint_files import Named
from topoqa_train.runs.legacy.fields import number, truth, walk
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS

# Ours, then the reference's; last what can only be meant inside `selection`.
_USE = ("use_val_spearman", "use_val_spearman_as_secondary")
_WEIGHT = ("spearman_weight", "spearman_secondary_weight")
_DELTA = ("spearman_min_delta", "spearman_secondary_min_delta")
_PRIMARY = ("ranking_metric", "primary_metric", "selection_primary_metric")
_AUTO = "auto"
# What a config that is silent on them means here.
_DEFAULT_WEIGHT, _DEFAULT_DELTA = 1.0, 0.0


@dataclass(frozen=True)
class Settings:
    """How a run chose among its epochs. `weight` and `delta` are None where nothing tells them."""

    use: bool
    weight: float | None = _DEFAULT_WEIGHT
    delta: float | None = _DEFAULT_DELTA
    primary: str = _AUTO

    @property
    def ranking_metric(self) -> str:
        """`primary` with `auto` resolved; val_loss where the selection metric is unknown."""
        if self.weight is None or self.delta is None:
            return VAL_LOSS
        if self.primary != _AUTO:
            return self.primary
        return SELECTION if self.use else VAL_LOSS

    def document(self) -> dict[str, Any]:
        """As `selection` of a run's metadata holds it."""
        return {
            "primary_metric": self.primary,
            "use_val_spearman": self.use,
            "spearman_weight": self.weight,
            "spearman_min_delta": self.delta,
            "ranking_metric": self.ranking_metric,
        }

    def value(self, row: Mapping[str, float]) -> float:
        """The selection metric of an epoch; NaN where it can't be told."""
        if not self.use:
            return row.get(VAL_LOSS, math.nan)
        if self.weight is None or self.delta is None or "val_spearman_corr" not in row:
            return math.nan
        rho = row["val_spearman_corr"]
        # An undefined rank correlation counts as none.
        gain = max(0.0, rho - self.delta) if math.isfinite(rho) else 0.0
        return row.get(VAL_LOSS, math.nan) - self.weight * gain


def settings(sources: Iterable[Mapping[str, Any]]) -> Settings | None:
    """The settings that the first of `sources` to name them gives; None where none does."""
    pairs = [pair for source in sources for pair in walk(source)]
    use = _first(pairs, _USE, truth)
    weight, delta = _first(pairs, _WEIGHT, _share), _first(pairs, _DELTA, _share)
    primary = _first(pairs, _PRIMARY, _metric)
    if use is None and weight is None and delta is None and primary in (None, _AUTO):
        return None
    if use is None:
        use = weight != 0.0 and primary != VAL_LOSS
    return Settings(
        use=use,
        weight=_DEFAULT_WEIGHT if weight is None else weight,
        delta=_DEFAULT_DELTA if delta is None else delta,
        primary=primary or _AUTO,
    )


def tells_all(source: Mapping[str, Any]) -> bool:
    """Whether no other source need be asked beside this one."""
    pairs = list(walk(source))
    if _first(pairs, _USE, truth) is False:
        return True
    told = (
        _first(pairs, _USE, truth),
        _first(pairs, _WEIGHT, _share),
        _first(pairs, _DELTA, _share),
    )
    return None not in told


def guessed(named: Sequence[tuple[Named, Mapping[str, float] | None]]) -> tuple[Settings, str]:
    """Settings for a run that tells none, and a line that says so.

    `named` are its checkpoints and the rows of their epochs. The usual weights are taken for its
    own only if its files' names were made with them.
    """
    usual = Settings(use=True)
    tried = [
        written.agrees(usual.value(row))
        for each, row in named
        if (written := each.figures.get(SELECTION)) is not None and row is not None
    ]
    if tried and all(tried):
        return usual, "its selection settings are not written down: taken from its files' names"
    if any(SELECTION in each.figures for each, _ in named):
        return (
            Settings(use=True, weight=None, delta=None),
            "its selection settings are not written down and can't be told from its files' names: "
            "ranked by val_loss",
        )
    return Settings(use=False), "its selection settings are not written down: ranked by val_loss"


def _first(pairs: Sequence[tuple[str, Any]], names: Sequence[str], read: Any) -> Any:  # noqa: ANN401
    """The first value under any of `names` that `read` makes something of."""
    found = (read(value) for key, value in pairs if key in names)
    return next((value for value in found if value is not None), None)


def _share(value: object) -> float | None:
    found = number(value)
    return found if found is not None and found >= 0 else None


def _metric(value: object) -> str | None:
    return value if isinstance(value, str) and value in (_AUTO, VAL_LOSS, SELECTION) else None
