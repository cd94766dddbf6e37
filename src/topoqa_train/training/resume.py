"""Brings a run back to the end of an epoch, with all that the next one begins from.

What is written here is whole or not there, but disks fail, copies break off and files are mixed up:
a checkpoint that can't be read any more, or is not the run's own, is put aside, and the newest that
is sound takes its place.
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
    """Bring everything back; False where the run was stopped before its first epoch's end.

    Without a `chosen` checkpoint it is the last one; where that can't be read or is lost, the
    newest of those that are ranked: each has all that going on needs.

    Raises:
        RequestError: there are checkpoints, but none can be gone on from.
    """
    paths = keeper.paths
    spoilt = _spoilt(keeper)
    if chosen is not None and chosen.name in spoilt:
        raise spoilt[chosen.name]
    source = chosen or _newest(paths, spoilt)
    document: dict[str, Any] = {}
    if source is not None:
        document = checkpoint_file.read(source)
        theirs = checkpoint_file.identity(document)
        weights.fill(module.network, document["state_dict"], theirs, identity, source)
        # Before metrics are cut and checkpoints deleted for a training that could not go on.
        restore.rehearse(document, module, source)
        keeper.resume_from(document)
        _put_aside(spoilt, source, keeper)
        there = {file.name for file in paths.checkpoints.iterdir()}
        if source == paths.last:
            _name_the_lost(keeper, there | spoilt.keys())
        # Else files of its day may have been deleted since, for better ones of later epochs.
        keeper.progress.ranking.keep_only(there)
        if source != paths.last:
            # First of all: a kill in what follows must not bring the later epochs back.
            atomic.write_bytes(paths.last, source.read_bytes())
    keeper.restore_metrics(document.get("history", ()))
    checkpoint_file.settle(paths, keeper.progress.ranking)
    return source is not None


def _ranked(paths: RunPaths) -> list[Path]:
    """The ranked checkpoints, the newest epoch first."""
    files = paths.checkpoints.glob(checkpoint_file.PATTERN)
    found = [(epoch_of(file.name), file) for file in files]
    return [
        file for epoch, file in sorted(found, key=lambda pair: -1 if pair[0] is None else -pair[0])
    ]


def _spoilt(keeper: EpochKeeper) -> dict[str, RequestError]:
    """The checkpoints, by name, that can't be read, or that some hand put there."""
    paths, found = keeper.paths, {}
    for file in [*([paths.last] if paths.last.exists() else []), *_ranked(paths)]:
        try:
            _check(file, checkpoint_file.read(file), keeper.run)
        except RequestError as error:
            found[file.name] = error
    return found


def _check(file: Path, document: dict[str, Any], run: dict[str, str]) -> None:
    whose = document.get("run", run)
    if whose != run:
        name = whose.get("name") if isinstance(whose, dict) else whose
        raise RequestError(f"{file} is a checkpoint of another run, {shorten(str(name))}")
    metrics = document.get("metrics")
    if file.suffix != _RANKED or not isinstance(metrics, dict):
        return
    loss, selection = metrics.get(VAL_LOSS), metrics.get(SELECTION)
    if isinstance(loss, float) and isinstance(selection, float):
        epoch = document["epoch"]
        names = [file_name(metric, epoch, loss, selection) for metric in (VAL_LOSS, SELECTION)]
        if file.name not in names:
            raise RequestError(f"{file} holds epoch {epoch}, not what its name says")


def _newest(paths: RunPaths, spoilt: dict[str, RequestError]) -> Path | None:
    if paths.last.exists() and paths.last.name not in spoilt:
        return paths.last
    whole = [file for file in _ranked(paths) if file.name not in spoilt]
    if not whole and spoilt:
        raise next(iter(spoilt.values()))
    return whole[0] if whole else None


def _put_aside(spoilt: dict[str, RequestError], source: Path, keeper: EpochKeeper) -> None:
    for name, error in spoilt.items():
        file = keeper.paths.checkpoints / name
        aside = _free(file.with_name(name + DAMAGED))
        file.rename(aside)
        gone_on = f"; the run goes on from {source.name}" if file == keeper.paths.last else ""
        keeper.warn(f"{error.message}. It is put aside as {aside.name}{gone_on}.")


def _free(path: Path) -> Path:
    """`path`, or where that is taken the first free one with a number behind it."""
    numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], numbered) if not os.path.lexists(each))


def _name_the_lost(keeper: EpochKeeper, known: Collection[str]) -> None:
    """Tell which ranked checkpoints are gone: the ranks behind them move up."""
    lost = sorted(keeper.progress.ranking.files() - set(known))
    if lost:
        keeper.warn(f"gone from {keeper.paths.checkpoints.name}: {', '.join(lost)}")
