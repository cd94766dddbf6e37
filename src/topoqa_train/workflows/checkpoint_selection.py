"""Which checkpoint fine-tuning starts from: one that is named, the best of a sweep, or of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from topoqa_train.clock import Clock
from topoqa_train.config.names import plain_name
from topoqa_train.errors import RequestError
from topoqa_train.runs import leaderboard, summary
from topoqa_train.runs.leaderboard import Leaderboard
from topoqa_train.runs.paths import RunPaths
from topoqa_train.runs.ranking import VAL_LOSS, epoch_of
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore, current_checkpoint
from topoqa_train.runs.summary import RunSummary
from topoqa_train.workflows.job_factory import existing_checkpoint

_NAMED = 5


class NothingToPickError(RequestError):
    """There is no finished run to pick a checkpoint from."""


@dataclass(frozen=True)
class Pick:
    """The checkpoint that fine-tuning starts from, and the name that its runs are called by.

    `notes` say what was picked, and of what, in a line each.
    """

    base: str
    checkpoint: Path
    run_id: str | None
    epoch: int | None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What `remembered` takes."""
        return {
            "base": self.base,
            "checkpoint": str(self.checkpoint),
            "run_id": self.run_id,
            "epoch": self.epoch,
        }


def of_file(path: Path) -> Pick:
    """A checkpoint named by its path; its run gives the base name where it lies in one."""
    # The file itself: `latest` and `best.ckpt` may lead elsewhere before it is read.
    file = existing_checkpoint(path).resolve()
    epoch = epoch_of(file.name)
    run = RunPaths(file.parent.parent)
    if file.parent == run.checkpoints:
        return Pick(run.run_id, file, run.run_id, epoch)
    return Pick(plain_name(file.stem), file, None, epoch)


def of_run(run_dir: Path, checkpoint: Path, clock: Clock) -> Pick:
    """A checkpoint named by its path, for runs that are called by the run in `run_dir`.

    Raises:
        RequestError: there is no such run, or no such checkpoint.
    """
    root = run_dir.expanduser().resolve()
    if not root.is_dir():
        raise RequestError(f"--run-dir: there is no folder {run_dir}")
    run = summary.read(RunPaths(root), clock)
    found = of_file(checkpoint)
    notes = (
        (f"The checkpoint is of {found.run_id}; the new runs are called by {run.paths.run_id}.",)
        if found.run_id not in (None, run.paths.run_id)
        else ()
    )
    return Pick(run.paths.run_id, found.checkpoint, found.run_id, found.epoch, notes)


def of_sweep(runs: Sequence[RunPaths], clock: Clock, metric: str | None) -> Pick:
    """The best checkpoint of these runs, by what ranks them or by another column."""
    good, unreadable = summary.read_all(list(runs), clock)
    picked = _winner(leaderboard.rank(good, metric=metric, notes=unreadable))
    if picked is None:
        raise RequestError("no run of this sweep has a checkpoint that could be ranked")
    return picked


def of_finished(store: RunStore, clock: Clock, metric: str | None, ways_out: str) -> Pick:
    """The best checkpoint of all finished runs under `store`, by val_loss or another column.

    Runs of other programs are skipped (they validated in another way), and so are
    runs that validated on a part of the graphs, where there are others.

    Raises:
        NothingToPickError: there is no finished run; `ways_out` are told.
    """
    runs, unreadable = summary.read_all(store.all(), clock)
    finished = [run for run in runs if run.status == Status.COMPLETED]
    ours = [run for run in finished if not run.read_only]
    whole = [run for run in ours if not run.limited]
    notes = [
        *unreadable,
        *_passed_over(
            "runs of another program, which validated in another way; select one by its name",
            [run for run in finished if run.read_only],
        ),
        *(_passed_over("validated on a part of the graphs", _others(ours, whole)) if whole else ()),
    ]
    picked = _winner(leaderboard.rank(whole or ours, metric=metric or VAL_LOSS, notes=notes))
    if picked is None:
        raise NothingToPickError(
            f"there is no finished run under {store.root} to pick a checkpoint from",
            details=notes,
            hint=ways_out,
        )
    return picked


def remembered(document: Mapping[str, Any]) -> Pick | None:
    """What was picked before, and is still there, in its run or in `history/`; else None."""
    try:
        file = current_checkpoint(Path(document["checkpoint"]))
        pick = Pick(str(document["base"]), file, document["run_id"], document["epoch"])
    except (KeyError, TypeError):
        return None
    if not file.is_file():
        return None
    return replace(pick, notes=(f"Goes on from {pick.base}, as before.",))


def best_of(run: RunPaths, clock: Clock) -> Pick:
    """The best checkpoint of one run by its ranking metric."""
    best = summary.read(run, clock).best()
    if best is None:
        raise RequestError(f"{run.run_id} has no checkpoint that could be ranked")
    return Pick(run.run_id, best.path, run.run_id, best.epoch)


def _winner(ranked: Leaderboard) -> Pick | None:
    winner = ranked.winner()
    if winner is None or winner.best is None:
        return None
    run_id, best = winner.run.paths.run_id, winner.best
    said = f"Picked {run_id}: {ranked.metric} {winner.value:.5f} @ {best.epoch}"
    return Pick(run_id, best.path, run_id, best.epoch, (*ranked.notes, said))


def _others(all_of_them: Sequence[RunSummary], these: Sequence[RunSummary]) -> list[RunSummary]:
    kept = {run.paths.root for run in these}
    return [run for run in all_of_them if run.paths.root not in kept]


def _passed_over(why: str, runs: Sequence[RunSummary]) -> list[str]:
    if not runs:
        return []
    names = [run.paths.run_id for run in runs]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"Passed over, {why}: {', '.join(names[:_NAMED])}{more}"]
