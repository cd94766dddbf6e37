"""Delete runs by age, status or rank: first a plan, then its execution on request."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from topoqa_train import atomic
from topoqa_train.clock import Clock, iso
from topoqa_train.datasets import Progress
from topoqa_train.errors import MachineError, RequestError, TopoqaTrainError
from topoqa_train.maintenance import deletion
from topoqa_train.runs import history, leaderboard, summary
from topoqa_train.runs.metadata import moment
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore
from topoqa_train.runs.summary import Glance
from topoqa_train.views.cleanup import CleanPlan, Doomed, Spared

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_FINISHED = (Status.COMPLETED, Status.FAILED)
CHOICES = (*_FINISHED, Status.INTERRUPTED)
_EXAMPLES = (
    "topoqa-train runs clean --older-than 30d --keep-best 10\n"
    "topoqa-train runs clean --status failed"
)


@dataclass(frozen=True)
class CleanRequest:
    """Criteria for runs to delete; a run must meet all of them.

    Empty `names` means all runs, empty `statuses` finished runs. `keep_best` keeps that many of the
    others, the best by `metric`.
    """

    names: tuple[str, ...] = ()
    older_than: timedelta | None = None
    statuses: tuple[Status, ...] = ()
    keep_best: int | None = None
    metric: str | None = None


def parse_age(text: str) -> timedelta:
    """Convert `30d`, `12h` or `2w`; raise `RequestError` for anything else."""
    found = re.fullmatch(r"([0-9]{1,5})\s*([hdw])", text.strip())
    if found is None:
        raise RequestError(
            f"'{text}' is no age", hint="It takes hours, days or weeks: 12h, 30d, 8w."
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_status(text: str) -> Status:
    """Convert a status that runs can be deleted by; raise `RequestError` for any other."""
    if text not in CHOICES:
        known = ", ".join(CHOICES)
        raise RequestError(f"'{text}' is no state to delete by", details=[f"known: {known}"])
    return Status(text)


def plan(store: RunStore, request: CleanRequest, clock: Clock, progress: Progress) -> CleanPlan:
    """Return what would be deleted and why, and what is kept although the criteria fit it.

    A run that `history.held` holds is always kept. An interrupted run is deleted only if it is
    named or its status is requested, a run of another program only if it is named.

    Raises:
        RequestError: no criterion, no folder of runs, no such run or metric.
    """
    if request in (CleanRequest(), CleanRequest(metric=request.metric)):
        raise RequestError("name criteria for the runs to delete", hint=_EXAMPLES)
    store.require()
    wanted, spared, notes = _wanted(store, request, clock, progress)
    doomed, held = _deletable(store, wanted, clock)
    spared |= held
    return CleanPlan(
        root=store.root,
        doomed=tuple(_doomed(wanted[run_id], request, clock) for run_id in doomed),
        spared=tuple(Spared(run_id, why) for run_id, why in sorted(spared.items())),
        leftovers=tuple((path, deletion.size_of(path)) for path in deletion.leftovers(store)),
        notes=notes,
    )


def _wanted(
    store: RunStore, request: CleanRequest, clock: Clock, progress: Progress
) -> tuple[dict[str, Glance], dict[str, str], tuple[str, ...]]:
    """Return the runs that every criterion fits, those spared and why, and notes."""
    runs = [store.find(name) for name in request.names] if request.names else store.all()
    readable, spared = {}, {}
    for paths in runs:
        try:
            readable[paths.run_id] = summary.glance(paths, clock)
        except RequestError:
            spared[paths.run_id] = "can't be read"
    fitting = {run_id: each for run_id, each in readable.items() if _fits(each, request, clock)}
    best, notes = _best(fitting.values(), request, clock, progress)
    wanted = {run_id: each for run_id, each in fitting.items() if run_id not in best}
    return wanted, best | (spared if request.names else {}), notes


def _fits(glance: Glance, request: CleanRequest, clock: Clock) -> bool:
    statuses = request.statuses or (() if request.names else _FINISHED)
    if (glance.read_only and not request.names) or (statuses and glance.status not in statuses):
        return False
    return request.older_than is None or clock.now() - _ended(glance) > request.older_than


def _ended(glance: Glance) -> datetime:
    """Return when the run completed or failed, else when its metadata were last written."""
    recorded = moment(glance.metadata.completed)
    if recorded is not None:
        return recorded
    for file in (glance.paths.metadata, glance.paths.root):
        try:
            return datetime.fromtimestamp(file.stat().st_mtime, UTC)
        except OSError:
            continue
    return datetime.max.replace(tzinfo=UTC)


def _best(
    glances: Iterable[Glance], request: CleanRequest, clock: Clock, progress: Progress
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the runs that `keep_best` keeps and why, and notes on their ranking."""
    runs = [glance.paths for glance in glances]
    if request.keep_best is None or not runs:
        return {}, ()
    with progress("reading runs", len(runs)) as advance:
        good, _ = summary.read_all(runs, clock, advance)
    ranked = leaderboard.rank(good, metric=request.metric)
    return {
        entry.run.paths.run_id: f"is number {entry.rank} of these by {ranked.metric}"
        for entry in ranked.entries
        if entry.rank is not None and entry.rank <= request.keep_best
    }, ranked.notes


def _deletable(
    store: RunStore, wanted: Collection[str], clock: Clock
) -> tuple[list[str], dict[str, str]]:
    """Return the runs of `wanted` that may be deleted together, and what holds the others.

    A held run can hold another one that it started from, so repeat until nothing changes.
    """
    free = set(wanted)
    while True:
        held = history.held(store, clock, leaving=free, interrupted=False)
        if free.isdisjoint(held):
            return sorted(free), {run_id: held[run_id] for run_id in wanted if run_id in held}
        free -= held.keys()


def _doomed(glance: Glance, request: CleanRequest, clock: Clock) -> Doomed:
    ended = _ended(glance)
    reasons = ["was named"] if request.names else []
    if request.older_than is not None:
        hours = int((clock.now() - ended).total_seconds() // 3600)
        reasons.append(f"{hours} hours old" if hours < 48 else f"{hours // 24} days old")
    if request.keep_best is not None:
        reasons.append(f"not among the best {request.keep_best}")
    return Doomed(
        run_id=glance.paths.run_id,
        root=glance.paths.root,
        status=str(glance.status),
        ended=ended,
        size=deletion.size_of(glance.paths.root),
        reasons=tuple(reasons),
    )


def execute(store: RunStore, planned: CleanPlan, clock: Clock, progress: Progress) -> list[str]:
    """Delete the planned runs and return their ids.

    Each run is checked again: one that is written again, or needed by another since, is kept.

    Raises:
        MachineError: some could not be deleted; the others are gone.
    """
    # Time has passed since the plan, for example until the user confirmed it.
    going = {run.run_id for run in planned.doomed}
    held = history.held(store, clock, leaving=going, interrupted=False)
    gone: list[str] = []
    errors: list[str] = []
    with progress("deleting", len(planned.doomed) + len(planned.leftovers)) as advance:
        for path, _ in planned.leftovers:
            with _collected(errors):
                deletion.remove_leftover(path)
            advance(1)
        for run in planned.doomed:
            with _collected(errors):
                _delete(store, run, held, clock)
                gone.append(run.run_id)
            advance(1)
    if errors:
        raise MachineError(f"{len(errors)} deletions failed", details=errors)
    return gone


@contextmanager
def _collected(errors: list[str]) -> Iterator[None]:
    """Add the message of an error inside to `errors` and continue after the block."""
    try:
        yield
    except (OSError, TopoqaTrainError) as error:
        errors.append(atomic.as_project_error(error).message)


def _delete(store: RunStore, run: Doomed, held: Mapping[str, str], clock: Clock) -> None:
    if run.run_id in held:
        raise RequestError(f"{run.run_id} is kept: it {held[run.run_id]}")
    glance = summary.glance(store.find(run.run_id), clock)
    with history.writing(glance):
        # Read with the lock held: now no process can resume the run.
        status = summary.glance(glance.paths, clock).status
        if status != run.status:
            raise RequestError(f"{run.run_id} is kept: it is {status} now")
        deletion.remove(store, glance.paths)


def to_document(planned: CleanPlan, deleted: Sequence[str] | None) -> dict[str, Any]:
    """Return the plan as JSON types; `deleted` is None if nothing was to be deleted yet."""
    return {
        "root": str(planned.root),
        "delete": [
            {
                "run_id": run.run_id,
                "run_dir": str(run.root),
                "status": run.status,
                "ended": iso(run.ended),
                "bytes": run.size,
                "reasons": list(run.reasons),
            }
            for run in planned.doomed
        ],
        "keep": [{"run_id": run.run_id, "why": run.why} for run in planned.spared],
        "leftovers": [{"path": str(path), "bytes": size} for path, size in planned.leftovers],
        "bytes": planned.size,
        "notes": list(planned.notes),
        "deleted": None if deleted is None else list(deleted),
    }
