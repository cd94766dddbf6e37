"""Reading a run that may be moved, to `history/` say, while it is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from topoqa_train.errors import RequestError
from topoqa_train.runs.paths import HISTORY, RunPaths
from topoqa_train.runs.store import RunStore, is_run

Read = TypeVar("Read")
Wait = Callable[[float], None]
# On its way to another disk a run is for a while in neither place.
_SEARCHES = 5
_SEARCH_SECONDS = 0.2


def read(
    paths: RunPaths, reader: Callable[[RunPaths], Read], *, wait: Wait | None = None
) -> tuple[RunPaths, Read]:
    """What `reader` makes of the run, and where the run is now.

    A run that is not in its place is looked for by its name in the same folder of runs, `history/`
    included; with `wait`, which is called with seconds, a few times.

    Raises:
        RequestError: `reader` says so of a run that is there, or it is nowhere.
    """
    for _ in range(_SEARCHES):
        try:
            found = reader(paths)
        except RequestError:
            if is_run(paths.root) or (wait is None and not _places(paths)):
                raise
        else:
            # Moved while it was read, it may have seemed to have no metrics.
            if is_run(paths.root):
                return paths, found
        moved = _places(paths)
        if moved:
            paths = moved[0]
        elif wait is not None:
            wait(_SEARCH_SECONDS)
    raise RequestError(
        f"run {paths.run_id} is gone: it was deleted or renamed meanwhile",
        details=[str(paths.root)],
        hint="topoqa-train leaderboard lists the runs there are.",
    )


def _places(paths: RunPaths) -> list[RunPaths]:
    """Where a run of that name is now, of the folder of runs that it was in."""
    folder = paths.root.parent
    root = folder.parent if folder.name == HISTORY else folder
    return [found for found in RunStore(root).all() if found.run_id == paths.run_id]
