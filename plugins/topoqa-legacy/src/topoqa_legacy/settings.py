"""How a run was trained and its checkpoints were ranked, from its metadata and its config.

Both exist in two layouts: sections (`optimizer: {learning_rate: ...}`) and flat keys
(`learning_rate: ...`, `spearman_secondary_weight: ...`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from topoqa_legacy.values import number, section, switch
from topoqa_train.api import read_file

MAXIMUM_BYTES = 4 * 2**20
# Section and key to the name in `training_parameters`.
_RENAMED = {
    ("optimizer", "learning_rate"): "learning_rate",
    ("early_stopping", "patience"): "early_stopping_patience",
    ("edge_schema", "use_layer_norm"): "edge_layer_norm",
    ("paths", "graph"): "graph_dir",
}
_SECTIONS = ("model", "dataloader", "trainer")
_WHOLE = (
    *("num_epochs", "early_stopping_patience", "batch_size", "accumulate_grad_batches"),
    *("num_workers", "attention_head", "seed", "devices"),
)
_NAMES = (
    *_WHOLE,
    *("learning_rate", "accelerator", "pooling_type", "precision", "graph_dir"),
    *("fast_dev_run", "limit_val_batches", "limit_train_batches"),
)
_SCHEDULER = "lr_scheduler_"
VAL_LOSS, SELECTION, _AUTO = "val_loss", "selection_metric", "auto"
_Value = TypeVar("_Value")


def read_config(files: Iterable[Path]) -> tuple[dict[str, Any], list[str]]:
    """Return the first of `files` that holds a mapping, and a line for each that can't be read."""
    # Imported here, because folders that are not runs must be recognised quickly.

    # Imported here, so that folders that are not runs are recognised quickly.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    errors: list[str] = []
    for file in files:
        try:
            document = YAML(typ="safe", pure=True).load(read_file(file, MAXIMUM_BYTES))
        except (OSError, YAMLError, ValueError, RecursionError) as error:
            place = getattr(error, "problem_mark", None)
            line = "" if place is None else f":{place.line + 1}"
            errors.append(f"{file}{line} is not valid YAML ({type(error).__name__})")
        else:
            if isinstance(document, Mapping):
                return dict(document), errors
    return {}, errors


def parameters(sources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the learning parameters by the names of new runs; later `sources` win."""
    found: dict[str, Any] = {}
    for source in sources:
        for key, value in source.items():
            if isinstance(value, Mapping):
                _take_section(found, str(key), value)
            elif not isinstance(value, str | int | float):
                continue
            elif str(key).startswith(_SCHEDULER):
                found.setdefault("scheduler", {})[str(key).removeprefix(_SCHEDULER)] = value
            elif key in _NAMES:
                found[str(key)] = value
    for name in (*_WHOLE, "learning_rate"):
        spelled = number(found.get(name))
        if spelled is not None:
            found[name] = int(spelled) if name in _WHOLE and spelled.is_integer() else spelled
    return found


def _take_section(found: dict[str, Any], name: str, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        renamed = _RENAMED.get((name, key), key if name in _SECTIONS else None)
        if not isinstance(value, str | int | float):
            continue
        if renamed is not None:
            found[str(renamed)] = value
        elif name == "scheduler":
            found.setdefault("scheduler", {})[str(key)] = value


@dataclass(frozen=True)
class Selection:
    """How a run ranked its epochs; `weight` and `delta` are None where nothing records them."""

    use: bool
    weight: float | None = 1.0
    delta: float | None = 0.0
    primary: str = _AUTO

    def document(self) -> dict[str, Any]:
        """Return it as `selection` of a run's metadata holds it."""
        ranking = self.primary
        if None in (self.weight, self.delta):
            ranking = VAL_LOSS  # the selection metric can't be computed
        elif ranking == _AUTO:
            ranking = SELECTION if self.use else VAL_LOSS
        return {
            "primary_metric": self.primary,
            "use_val_spearman": self.use,
            "spearman_weight": self.weight,
            "spearman_min_delta": self.delta,
            "ranking_metric": ranking,
        }

    def value(self, row: Mapping[str, float]) -> float:
        """Return the selection metric of an epoch, NaN where it can't be computed."""
        loss, rho = row.get(VAL_LOSS, math.nan), row.get("val_spearman_corr")
        if not self.use:
            return loss
        if self.weight is None or self.delta is None or rho is None:
            return math.nan
        # An undefined rank correlation counts as 0.
        return loss - self.weight * (max(0.0, rho - self.delta) if math.isfinite(rho) else 0.0)


def selection(sources: Iterable[Mapping[str, Any]]) -> Selection | None:
    """Return the settings that the first of `sources` to name them gives, or None."""
    # Some configs have the flat keys inside another section.
    flat = [
        part
        for source in sources
        for part in (section(source, "selection"), source, *source.values())
        if isinstance(part, Mapping)
    ]
    use = _first(flat, ("use_val_spearman", "use_val_spearman_as_secondary"), switch)
    weight = _first(flat, ("spearman_weight", "spearman_secondary_weight"), _not_negative)
    delta = _first(flat, ("spearman_min_delta", "spearman_secondary_min_delta"), _not_negative)
    primary = _first(flat, ("primary_metric", "selection_primary_metric"), _metric)
    if (use, weight, delta) == (None, None, None) and primary in (None, _AUTO):
        return None
    return Selection(
        use=weight != 0.0 and primary != VAL_LOSS if use is None else use,
        weight=1.0 if weight is None else weight,
        delta=0.0 if delta is None else delta,
        primary=primary or _AUTO,
    )


def _first(
    sources: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    read: Callable[[object], _Value | None],
) -> _Value | None:
    found = (read(source[name]) for source in sources for name in names if name in source)
    return next((value for value in found if value is not None), None)


def _not_negative(value: object) -> float | None:
    found = number(value)
    return found if found is not None and found >= 0 else None


def _metric(value: object) -> str | None:
    return value if isinstance(value, str) and value in (_AUTO, VAL_LOSS, SELECTION) else None
