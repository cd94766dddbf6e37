"""Runs deleted by age, state or merit: first a plan, then, where that is wanted, the deed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from topoqa_train import atomic
from topoqa_train.clock import Clock, iso
from topoqa_train.datasets import Progress
from topoqa_train.errors import MachineError, RequestError, TopoqaTrainError
from topoqa_train.maintenance import deletion
from topoqa_train.runs import history, leaderboard, lock, summary
from topoqa_train.runs.metadata import moment
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore
from topoqa_train.runs.summary import Glance
from topoqa_train.views.cleanup import CleanPlan, Doomed, Spared

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_FINISHED = (Status.COMPLETED, Status.FAILED)
CHOICES = (*_FINISHED, Status.INTERRUPTED)


@dataclass(frozen=True)
class CleanRequest:
    """Which runs are to go: all of `names`, or else of all runs; those that every criterion fits.

    Without `statuses` finished ones are meant. Of those, `keep_best` spares so many by `metric`.
    """

    names: tuple[str, ...] = ()
    older_than: timedelta | None = None
    statuses: tuple[Status, ...] = ()
    keep_best: int | None = None
    metric: str | None = None


def parse_age(text: str) -> timedelta:
    """`30d`, `12h`, `2w` as a span of time; raises `RequestError` for anything else."""
    found = re.fullmatch(r"([0-9]{1,5})\s*([hdw])", text.strip())
    if found is None:
        raise RequestError(
            f"'{text}' is no age", hint="It takes hours, days or weeks: 12h, 30d, 8w."
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def parse_status(text: str) -> Status:
    """A state that runs can be deleted by; raises `RequestError` for any other."""
    if text not in CHOICES:
        known = ", ".join(CHOICES)
        raise RequestError(f"'{text}' is no state to delete by", details=[f"known: {known}"])
    return Status(text)


def plan(store: RunStore, request: CleanRequest, clock: Clock, progress: Progress) -> CleanPlan:
    """What would be deleted and why, and what stays though it was asked for.

    Never what `history.held` holds; a run that was interrupted only where its state is asked for
    or it is named; a run of the reference only where it is named.

    Raises:
        RequestError: no criterion, no folder of runs, no such run or metric.
    """
    criteria = (request.older_than, request.keep_best)
    if not (request.names or request.statuses) and criteria == (None, None):
        raise RequestError("say which runs are to be deleted", hint=_EXAMPLES)
    store.require()
    wanted, spared, notes = _wanted(store, request, clock, progress)
    doomed, held = _free(store, wanted, clock)
    spared |= held
    return CleanPlan(
        root=store.root,
        doomed=tuple(_doomed(wanted[run_id], request, clock) for run_id in doomed),
        spared=tuple(Spared(run_id, why) for run_id, why in sorted(spared.items())),
        leftovers=tuple((path, deletion.size_of(path)) for path in deletion.leftovers(store)),
        notes=notes,
    )


_EXAMPLES = (
    "topoqa-train runs clean --older-than 30d --keep-best 10\n"
    "topoqa-train runs clean --status failed"
)


def _wanted(
    store: RunStore, request: CleanRequest, clock: Clock, progress: Progress
) -> tuple[dict[str, Glance], dict[str, str], tuple[str, ...]]:
    """The runs that every criterion fits, those among the best that are spared, and notes."""
    runs = [store.find(name) for name in request.names] if request.names else store.all()
    seen = {}
    for paths in runs:
        try:
            seen[paths.run_id] = summary.glance(paths, clock)
        except RequestError:
            continue  # it is held, and told of
    fitting = {run_id: each for run_id, each in seen.items() if _fits(each, request, clock)}
    spared, notes = _best(fitting.values(), request, clock, progress)
    if request.names:
        spared |= {run.run_id: "can't be read" for run in runs if run.run_id not in seen}
    return {run_id: fitting[run_id] for run_id in fitting if run_id not in spared}, spared, notes


def _fits(glance: Glance, request: CleanRequest, clock: Clock) -> bool:
    if not request.names:
        if glance.foreign:
            return False
        if glance.status not in (request.statuses or _FINISHED):
            return False
    elif request.statuses and glance.status not in request.statuses:
        return False
    age = clock.now() - _ended(glance)
    return request.older_than is None or age > request.older_than


def _ended(glance: Glance) -> datetime:
    """When it completed or failed, else when it was last written, as far as can be told."""
    said = moment(glance.metadata.completed)
    if said is not None:
        return said
    for file in (glance.paths.metadata, glance.paths.root):
        try:
            return datetime.fromtimestamp(file.stat().st_mtime, UTC)
        except OSError:
            continue
    return datetime.max.replace(tzinfo=UTC)


def _best(
    glances: Iterable[Glance], request: CleanRequest, clock: Clock, progress: Progress
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The best of these, and what has to be known of how they were compared."""
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


def _free(
    store: RunStore, wanted: Collection[str], clock: Clock
) -> tuple[list[str], dict[str, str]]:
    """Those of `wanted` that nothing holds once they are all gone, and what holds the others."""
    free = set(wanted)
    while True:
        held = history.held(store, clock, leaving=free, interrupted=False)
        still = {run_id for run_id in free if run_id not in held}
        if still == free:
            return sorted(free), {run_id: held[run_id] for run_id in wanted if run_id in held}
        free = still


def _doomed(glance: Glance, request: CleanRequest, clock: Clock) -> Doomed:
    ended = _ended(glance)
    reasons = ["was named"] if request.names else []
    if request.older_than is not None:
        reasons.append(_age(clock.now() - ended))
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


def _age(span: timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    return f"{hours} hours old" if hours < 48 else f"{hours // 24} days old"


def carry_out(store: RunStore, planned: CleanPlan, clock: Clock, progress: Progress) -> list[str]:
    """Delete what was planned, and say which runs are gone.

    Each run is looked at once more: one that is written again, or that something has come to need
    since, stays.

    Raises:
        MachineError: some could not be deleted; the others are gone.
    """
    going = {run.run_id for run in planned.doomed}
    held = history.held(store, clock, leaving=going, interrupted=False)
    gone: list[str] = []
    faults: list[str] = []
    with progress("deleting", len(planned.doomed) + len(planned.leftovers)) as advance:
        for path, _ in planned.leftovers:
            with _told(faults):
                deletion.sweep(path)
            advance(1)
        for run in planned.doomed:
            with _told(faults):
                _delete(store, run, held, clock)
                gone.append(run.run_id)
            advance(1)
    if faults:
        raise MachineError(
            f"{len(faults)} of what was to be deleted is still there", details=faults
        )
    return gone


@contextmanager
def _told(faults: list[str]) -> Iterator[None]:
    """Note what goes wrong inside, and go on."""
    try:
        yield
    except TopoqaTrainError as error:
        faults.append(error.message)
    except OSError as error:
        faults.append(atomic.as_project_error(error).message)


def _delete(store: RunStore, run: Doomed, held: Mapping[str, str], clock: Clock) -> None:
    if run.run_id in held:
        raise RequestError(f"{run.run_id} stays: it {held[run.run_id]}")
    glance = summary.glance(store.find(run.run_id), clock)
    with nullcontext() if glance.foreign else lock.writing(glance.paths):
        status = summary.glance(glance.paths, clock).status
        if status != run.status:
            raise RequestError(f"{run.run_id} stays: it is {status} now")
        deletion.remove(store, glance.paths)


def to_document(planned: CleanPlan, deleted: Sequence[str] | None) -> dict[str, Any]:
    """As JSON types; `deleted` is None where it was only looked."""
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
