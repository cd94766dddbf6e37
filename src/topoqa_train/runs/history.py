"""Archive of finished runs: the folder `history/`, where every reader looks too."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from topoqa_train import atomic
from topoqa_train.clock import Clock
from topoqa_train.errors import RequestError
from topoqa_train.runs import ledger, lock, summary
from topoqa_train.runs.checkpoint_files import leads_within
from topoqa_train.runs.metadata import moment
from topoqa_train.runs.paths import HISTORY, LATEST, RunPaths
from topoqa_train.runs.status import Status
from topoqa_train.runs.store import RunStore, run_of
from topoqa_train.runs.summary import Glance

KEEP_VARIABLE = "TOPOQA_TRAIN_KEEP_RUNS"
DEFAULT_KEEP = 20
LOCK = ".history.lock"
_FINISHED = (Status.COMPLETED, Status.FAILED)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def keep_runs() -> int:
    """Return how many finished runs stay out of `history/`: TOPOQA_TRAIN_KEEP_RUNS, or 20.

    Raises:
        RequestError: the variable is not a number of runs.
    """
    text = os.environ.get(KEEP_VARIABLE, "").strip()
    if not text:
        return DEFAULT_KEEP
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise RequestError(
            f"{KEEP_VARIABLE}: '{text}' is not a number of runs",
            hint="Give the number of finished runs that stay out of history/: 0, 20, ...",
        )
    return int(text)


def held(
    store: RunStore, clock: Clock, *, leaving: Collection[str] = (), interrupted: bool = True
) -> dict[str, str]:
    """Return the runs that must be neither moved nor deleted, each with the reason.

    These are runs that are running, were interrupted or can't be read, the run that `latest`
    points at, runs that another run started from, and runs that a batch or pipeline in progress
    creates or needs. The starting points of runs that are `leaving` are free; without
    `interrupted`, so are interrupted runs, unless there is another reason.
    """
    glances, unreadable = _glances(store.all(), clock)
    # A run can have several reasons. Each group overwrites the ones before it, so the one that is
    # reported is the one that the user must deal with first: the state of the run itself.
    reasons: dict[str, str] = {}
    for glance in glances:
        if glance.paths.run_id in leaving:
            continue
        for base in starting_points(glance):
            reasons[base] = f"is the starting point of {glance.paths.run_id}"
    for running in ledger.in_progress(store.root, clock):
        reasons |= dict.fromkeys(running.runs(), f"belongs to a {running.kind} in progress")
    latest = store.latest()
    if latest is not None:
        reasons[latest.run_id] = f"is what {LATEST} points at"
    for glance in glances:
        if glance.status == Status.INTERRUPTED:
            if interrupted:
                reasons[glance.paths.run_id] = "was interrupted"
        elif glance.status not in _FINISHED:
            reasons[glance.paths.run_id] = "is running"
    there = {*unreadable, *(glance.paths.run_id for glance in glances)}
    return {run_id: why for run_id, why in {**reasons, **unreadable}.items() if run_id in there}


def starting_points(glance: Glance) -> set[str]:
    """Return the runs whose weights a run started from, as far as its metadata name them."""
    start = glance.metadata.started_from or {}
    checkpoint, run_id = start.get("checkpoint"), start.get("run_id")
    named = {run_id} if isinstance(run_id, str) else set()
    return named | ({run_of(checkpoint)} if isinstance(checkpoint, str) and checkpoint else set())


def move(store: RunStore, run: RunPaths) -> RunPaths:
    """Move a run to `history/` by one rename and return its new place; `held` is not checked.

    Raises:
        RequestError: one of that name is there already, or the file system refuses.
    """
    return _renamed(run, store.root / HISTORY)


def restore(store: RunStore, run: RunPaths) -> RunPaths:
    """Move a run out of `history/` again; the opposite of `move`."""
    return _renamed(run, store.root)


def _renamed(run: RunPaths, folder: Path) -> RunPaths:
    target = RunPaths(folder / run.run_id)
    if os.path.lexists(target.root):
        raise RequestError(f"{run.run_id} stays where it is: {target.root} is there already")
    try:
        folder.mkdir(exist_ok=True)
        run.root.rename(target.root)
    except OSError as error:
        reason = error.strerror or error
        raise RequestError(f"{run.run_id} can't be moved to {folder.name}/: {reason}") from error
    # The run is moved, even if a flush fails. The new folder is flushed first, so that a power cut
    # in between leaves the run in both places at worst, never in none.
    with suppress(OSError):
        for changed in (target.root.parent, run.root.parent):
            atomic.flush_folder(changed)
    return target


def tidy(
    store: RunStore,
    clock: Clock,
    *,
    keep: int,
    spare: Collection[str] = (),
    warn: Callable[[str], None] = lambda _: None,
) -> list[RunPaths]:
    """Move finished runs beyond the newest `keep` to `history/`; return their new places.

    Runs that are `held` or in `spare` stay, and so do runs whose absolute links would break. A run
    that can't be moved is reported to `warn`. While another process does the same, nothing is
    moved.
    """
    if len(store.here()) <= keep:
        return []
    try:
        with FileLock(store.root / LOCK).acquire(timeout=0):
            return list(_moved(store, clock, _beyond(store, clock, keep, spare), warn))
    except Timeout:
        return []
    except (OSError, RequestError) as error:
        warn(f"older runs were not archived: {error}")
        return []


def _beyond(store: RunStore, clock: Clock, keep: int, spare: Collection[str]) -> list[Glance]:
    """Return the finished runs beyond the newest `keep`, without those that must stay."""
    # Interrupted runs stay without counting against `keep`: they are waiting to be resumed.
    stay = {*held(store, clock), *spare}
    glances, _ = _glances(store.here(), clock)
    finished = [glance for glance in glances if glance.status in _FINISHED]
    finished.sort(key=lambda glance: (_created(glance), glance.paths.run_id), reverse=True)
    beyond = [glance for glance in finished[keep:] if glance.paths.run_id not in stay]
    return [glance for glance in beyond if not is_tied(glance.paths)]


def is_tied(paths: RunPaths) -> bool:
    """Return whether an absolute link leads into its own run, so that moving the run breaks it."""
    links = (
        path
        for folder, folders, files in os.walk(paths.root)
        for path in (Path(folder, name) for name in (*folders, *files))
        if path.is_symlink()
    )
    return any(link.readlink().is_absolute() and leads_within(link, paths.root) for link in links)


def writing(glance: Glance) -> AbstractContextManager[None]:
    """Lock a run against other writers; one of another program is left without a lock file."""
    return nullcontext() if glance.read_only else lock.writing(glance.paths)


def _moved(
    store: RunStore, clock: Clock, glances: Iterable[Glance], warn: Callable[[str], None]
) -> Iterator[RunPaths]:
    for glance in glances:
        try:
            with writing(glance):
                # The status is checked again under the lock: a run that was resumed since the first
                # look must not move, and nobody can resume it now.
                if summary.glance(glance.paths, clock).status in _FINISHED:
                    yield move(store, glance.paths)
        except lock.BusyRunError:
            continue
        except (OSError, RequestError) as error:
            warn(str(error))


def _glances(runs: Iterable[RunPaths], clock: Clock) -> tuple[list[Glance], dict[str, str]]:
    """Return a glance at each run that can be read, and why each of the others can't."""
    glances: list[Glance] = []
    unreadable: dict[str, str] = {}
    for paths in runs:
        try:
            glances.append(summary.glance(paths, clock))
        except RequestError as error:
            unreadable[paths.run_id] = f"can't be read: {error.message}"
    return glances, unreadable


def _created(glance: Glance) -> datetime:
    return moment(glance.metadata.created) or _LONG_AGO
