"""Brings a run back to the end of an epoch, with all that the next one begins from.

What is written here is whole or not there, but disks fail and copies break off: a checkpoint that
can't be read any more is put aside, and the newest one that can be takes its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from topoqa_train import atomic
from topoqa_train.errors import RequestError
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.summary import epoch_of
from topoqa_train.training import checkpoint, restoring, weights
from topoqa_train.training.callbacks import EpochKeeper
from topoqa_train.training.checkpoint import NetworkIdentity
from topoqa_train.training.lit_module import DockQModule

DAMAGED = ".damaged"


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
    damaged = _damaged(paths)
    source = chosen or _newest(paths, damaged)
    document: dict[str, Any] = {}
    if source is not None:
        document = checkpoint.read(source)
        theirs = checkpoint.identity(document)
        weights.fill(module.network, document["state_dict"], theirs, identity, source)
        # Before metrics are cut and checkpoints deleted for a training that could not go on.
        restoring.rehearse(document, module, module.configure_optimizers(), source)
        keeper.resume_from(document)
        _put_aside(damaged, source, keeper)
        # Files of its day may have been deleted since, for better ones of later epochs.
        keeper.progress.ranking.keep_only({file.name for file in paths.checkpoints.iterdir()})
        if source != paths.last:
            # First of all: a kill in what follows must not bring the later epochs back.
            atomic.write_bytes(paths.last, source.read_bytes())
    keeper.restore_metrics(document.get("history", ()))
    checkpoint.settle(paths, keeper.progress.ranking)
    return source is not None


def _ranked(paths: RunPaths) -> list[Path]:
    """The ranked checkpoints, the newest epoch first."""
    found = [(epoch_of(file.name), file) for file in paths.checkpoints.glob(checkpoint.PATTERN)]
    return [
        file for epoch, file in sorted(found, key=lambda pair: -1 if pair[0] is None else -pair[0])
    ]


def _damaged(paths: RunPaths) -> dict[Path, RequestError]:
    found = {}
    for file in [*([paths.last] if paths.last.exists() else []), *_ranked(paths)]:
        try:
            checkpoint.read(file)
        except RequestError as error:
            found[file] = error
    return found


def _newest(paths: RunPaths, damaged: dict[Path, RequestError]) -> Path | None:
    if paths.last.exists() and paths.last not in damaged:
        return paths.last
    whole = [file for file in _ranked(paths) if file not in damaged]
    if not whole and damaged:
        raise next(iter(damaged.values()))
    return whole[0] if whole else None


def _put_aside(damaged: dict[Path, RequestError], source: Path, keeper: EpochKeeper) -> None:
    for file, error in damaged.items():
        aside = file.with_name(file.name + DAMAGED)
        file.replace(aside)
        text = f"{error.message}. It is put aside as {aside.name}"
        gone_on = f"; the run goes on from {source.name}" if file == keeper.paths.last else ""
        keeper.warn(f"{text}{gone_on}.")
