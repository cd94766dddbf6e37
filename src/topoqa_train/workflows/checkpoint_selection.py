"""Select the checkpoint that fine-tuning starts from: a given one, or the best of some runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from topoqa_train.clock import Clock
from topoqa_train.config.names import plain_name
from topoqa_train.errors import RequestError
from topoqa_train.runs import leaderboard, summary
from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.ledger import SelectedCheckpoint
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import VAL_LOSS, epoch_of
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore, current_checkpoint
from topoqa_train.runs.summary import RunSummary
from topoqa_train.workflows.job_factory import existing_checkpoint

_NAMED = 5


class NoFinishedRunError(RequestError):
    """Error for a selection among finished runs where there are none."""


def of_file(path: Path) -> SelectedCheckpoint:
    """Return the checkpoint at `path`; the base name is its run's, if it is in a run."""
    # Resolved, because `latest` and `best.ckpt` may point elsewhere by the time it is read.
    file = existing_checkpoint(path).resolve()
    epoch = epoch_of(file.name)
    run = RunPaths(file.parent.parent)
    if file.parent == run.checkpoints:
        return _selected(run, file, epoch)
    return SelectedCheckpoint(base=plain_name(file.stem), checkpoint=file, run_id=None, epoch=epoch)


def of_run(run_dir: Path, checkpoint: Path, clock: Clock) -> SelectedCheckpoint:
    """Return the checkpoint at a path, with the run in `run_dir` as the base name.

    Raises:
        RequestError: there is no such run or checkpoint.
    """
    root = run_dir.expanduser().resolve()
    if not root.is_dir():
        raise RequestError(f"--run-dir: there is no folder {run_dir}")
    run = summary.read(RunPaths(root), clock)
    found = of_file(checkpoint)
    notes = (
        (f"The checkpoint is of {found.run_id}; the new runs are named after {run.paths.run_id}.",)
        if found.run_id not in (None, run.paths.run_id)
        else ()
    )
    return found.model_copy(update={"base": run.paths.run_id, "notes": notes})


def of_sweep(runs: Sequence[RunPaths], clock: Clock, metric: str | None) -> SelectedCheckpoint:
    """Return the best checkpoint of these runs, by their ranking metric or another column."""
    good, unreadable = summary.read_all(list(runs), clock)
    best = _winner(leaderboard.rank(good, metric=metric, notes=unreadable))
    if best is None:
        raise RequestError("no run of this sweep has a checkpoint that can be ranked")
    return best


def of_finished(store: RunStore, clock: Clock, metric: str | None, hint: str) -> SelectedCheckpoint:
    """Return the best checkpoint of all finished runs under `store`, by val_loss or `metric`.

    Runs of other programs are skipped, because they validated in another way; and so are runs that
    validated on a part of the graphs, if there are others.

    Raises:
        NoFinishedRunError: there is no finished run; `hint` goes into the error.
    """
    runs, unreadable = summary.read_all(store.all(), clock)
    finished = [run for run in runs if run.status == Status.COMPLETED]
    ours = [run for run in finished if not run.read_only]
    limited = [run for run in ours if run.limited]
    whole = [run for run in ours if not run.limited]
    notes = [
        *unreadable,
        *_skipped(
            "runs of another program, which validated in another way; select one by its name",
            [run for run in finished if run.read_only],
        ),
        *(_skipped("validated on a part of the graphs", limited) if whole else ()),
    ]
    best = _winner(leaderboard.rank(whole or ours, metric=metric or VAL_LOSS, notes=notes))
    if best is None:
        raise NoFinishedRunError(
            f"there is no finished run under {store.root} to select a checkpoint from",
            details=notes,
            hint=hint,
        )
    return best


def of_session(selected: SelectedCheckpoint) -> SelectedCheckpoint | None:
    """Return what an earlier session selected; None if its file does not exist any more."""
    file = current_checkpoint(selected.checkpoint)
    notes = (f"Fine-tuning starts from {selected.base}, as before.",)
    if not file.is_file():
        return None
    return selected.model_copy(update={"checkpoint": file, "notes": notes})


def best_of(run: RunPaths, clock: Clock) -> SelectedCheckpoint:
    """Return the best checkpoint of one run by its ranking metric."""
    best = summary.read(run, clock).best()
    if best is None:
        raise RequestError(f"{run.run_id} has no checkpoint that can be ranked")
    return _selected(run, best.path, best.epoch)


def _winner(ranked: Leaderboard) -> SelectedCheckpoint | None:
    winner = ranked.winner()
    if winner is None or winner.best is None:
        return None
    run, best = winner.run.paths, winner.best
    note = f"Selected {run.run_id}: {ranked.metric} {winner.value:.5f} @ {best.epoch}"
    return _selected(run, best.path, best.epoch, (*ranked.notes, note))


def _selected(
    run: RunPaths, file: Path, epoch: int | None, notes: tuple[str, ...] = ()
) -> SelectedCheckpoint:
    return SelectedCheckpoint(
        base=run.run_id, checkpoint=file, run_id=run.run_id, epoch=epoch, notes=notes
    )


def _skipped(why: str, runs: Sequence[RunSummary]) -> list[str]:
    if not runs:
        return []
    names = [run.paths.run_id for run in runs]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"Skipped, {why}: {', '.join(names[:_NAMED])}{more}"]
