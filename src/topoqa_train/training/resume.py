"""Restoring a run to the end of an epoch, with all that the next epoch starts from.

This program writes checkpoints atomically, but disks fail, copies break off and files get mixed up:
a checkpoint that is unreadable or belongs to another run is quarantined, and the newest valid one
is used in its place.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from topoqa_train import atomic
from topoqa_train.config.yaml.scalars import shorten
from topoqa_train.errors import RequestError
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import SELECTION, VAL_LOSS, epoch_of, file_name
from topoqa_train.training.callbacks import EpochKeeper
from topoqa_train.training.checkpoints import checkpoint_file, restore, weights
from topoqa_train.training.checkpoints.checkpoint_file import NetworkIdentity
from topoqa_train.training.lit_module import DockQModule

DAMAGED = ".damaged"
_RANKED = Path(checkpoint_file.PATTERN).suffix


def resume(
    module: DockQModule, keeper: EpochKeeper, chosen: Path | None, identity: NetworkIdentity
) -> bool:
    """Restore everything; return False if the run was stopped before the end of an epoch.

    The default for `chosen` is the last checkpoint or, if that is missing or unreadable, the newest
    ranked one: each holds all that resuming needs.

    Raises:
        RequestError: there are checkpoints, but none is usable.
    """
    paths = keeper.paths
    unusable = _unusable(keeper)
    if chosen is not None and chosen.name in unusable:
        raise unusable[chosen.name]
    source = chosen or _newest(paths, unusable)
    document: dict[str, Any] = {}
    if source is not None:
        document = checkpoint_file.read(source)
        theirs = checkpoint_file.identity(document)
        weights.fill(module.network, document["state_dict"], theirs, identity, source)
        # Before metrics are cut and checkpoints deleted for a training that could not continue.
        restore.rehearse(document, module, source)
        keeper.resume_from(document)
        _quarantine(unusable, source, keeper)
        present = {file.name for file in paths.checkpoints.iterdir()}
        if source == paths.last:
            _warn_missing(keeper, present | unusable.keys())
        # An older checkpoint may rank files that were deleted since, for better later epochs.
        keeper.progress.ranking.keep_only(present)
        if source != paths.last:
            # Before anything else: a kill in what follows must not bring the later epochs back.
            atomic.write_bytes(paths.last, source.read_bytes())
    keeper.restore_metrics(document.get("history", ()))
    checkpoint_file.settle(paths, keeper.progress.ranking)
    return source is not None


def _ranked(paths: RunPaths) -> list[Path]:
    """Return the ranked checkpoints, the newest epoch first."""

    def epoch(file: Path) -> int:
        found = epoch_of(file.name)
        return -1 if found is None else found

    return sorted(paths.checkpoints.glob(checkpoint_file.PATTERN), key=epoch, reverse=True)


def _unusable(keeper: EpochKeeper) -> dict[str, RequestError]:
    """Return the error of each checkpoint that is unreadable or not of this run, by file name."""
    paths, found = keeper.paths, {}
    for file in [*([paths.last] if paths.last.exists() else []), *_ranked(paths)]:
        try:
            _check(file, checkpoint_file.read(file), keeper.run)
        except RequestError as error:
            found[file.name] = error
    return found


def _check(file: Path, document: dict[str, Any], run: dict[str, str]) -> None:
    owner = document.get("run", run)
    if owner != run:
        name = owner.get("name") if isinstance(owner, dict) else owner
        raise RequestError(f"{file} is a checkpoint of another run, {shorten(str(name))}")
    metrics = document.get("metrics")
    if file.suffix != _RANKED or not isinstance(metrics, dict):
        return
    loss, selection = metrics.get(VAL_LOSS), metrics.get(SELECTION)
    if isinstance(loss, float) and isinstance(selection, float):
        epoch = document["epoch"]
        names = [file_name(metric, epoch, loss, selection) for metric in (VAL_LOSS, SELECTION)]
        if file.name not in names:
            raise RequestError(f"{file} holds epoch {epoch}, which differs from its name")


def _newest(paths: RunPaths, unusable: dict[str, RequestError]) -> Path | None:
    if paths.last.exists() and paths.last.name not in unusable:
        return paths.last
    usable = [file for file in _ranked(paths) if file.name not in unusable]
    if not usable and unusable:
        raise next(iter(unusable.values()))
    return usable[0] if usable else None


def _quarantine(unusable: dict[str, RequestError], source: Path, keeper: EpochKeeper) -> None:
    for name, error in unusable.items():
        file = keeper.paths.checkpoints / name
        target = _free(file.with_name(name + DAMAGED))
        file.rename(target)
        resumed = f"; the run resumes from {source.name}" if file == keeper.paths.last else ""
        keeper.warn(f"{error.message}. Renamed it to {target.name}{resumed}.")


def _free(path: Path) -> Path:
    """Return `path` or, if it exists, the first free path with a number appended."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not os.path.lexists(each))


def _warn_missing(keeper: EpochKeeper, known: Collection[str]) -> None:
    """Warn of ranked checkpoints that no longer exist: the ranks behind them move up."""
    missing = sorted(keeper.progress.ranking.files() - set(known))
    if missing:
        keeper.warn(f"missing in {keeper.paths.checkpoints.name}: {', '.join(missing)}")
