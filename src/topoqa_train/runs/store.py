"""A folder of runs: create a run, find one, list all, including those in `history/`.

A new run is created in a hidden folder and renamed when its first files are in it. A folder under
a run's name is therefore a whole run at any moment, whatever was killed in between.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from topoqa_train import atomic
from topoqa_train.clock import Clock, stamp
from topoqa_train.config.names import problem_of_name
from topoqa_train.errors import MachineError, RequestError
from topoqa_train.runs import readers
from topoqa_train.runs.paths import CHECKPOINTS, HISTORY, LATEST, METADATA, RunPaths
from topoqa_train.runs.status import modified
from topoqa_train.suggest import nearest_names

ROOT_VARIABLE = "TOPOQA_TRAIN_RUNS"
DEFAULT_ROOT = Path("training_runs")
_NEAR = 3
_NEW = ".new_"
# Creating a run takes a moment; an older hidden folder was left by a process that was killed.
_LEFT_SECONDS = 3600.0
_MOST_NUMBERS = 10_000
# What the system reports for a name that is in use: by a run, by a file.
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
_Fill = Callable[[RunPaths, str], None]


def root_of_runs(option: Path | None, save_dir: Path | None = None) -> Path:
    """Return where runs go: the option, the environment variable, `save_dir`, `training_runs`."""
    from_environment = os.environ.get(ROOT_VARIABLE)
    chosen = option or (Path(from_environment) if from_environment else None)
    # Not resolve(): a root that is a link must be shown as the user named it.
    return Path(os.path.abspath((chosen or save_dir or DEFAULT_ROOT).expanduser()))  # noqa: PTH100


class RunStore:
    """The runs under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(
        self,
        base: str,
        run_name: str | None,
        clock: Clock,
        *,
        stamped: bool = True,
        fill: _Fill = lambda _, __: None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> RunPaths:
        """Create the directory of a new run and point `latest` at it.

        Without `run_name` the name is `base` and (if `stamped`) the time, with a number if that is
        taken. `fill` writes the first files, given the hidden place of the run and its name to be.
        The directory appears with all of them in it, or not at all. A line goes to `warn` if
        `latest` can't be set.

        Raises:
            RequestError: `run_name` is taken or not a plain name, or runs can't go to the root.
            MachineError: the folder can't be created.
        """
        if run_name is not None:
            check_run_name(run_name)
        name = run_name or (f"{base}_{stamp(clock.now())}" if stamped else base)
        _check_latest(self.root / LATEST)
        with _may_be_written(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            with self._hidden_run(clock) as hidden:
                paths = self._publish(hidden, name, fill, numbered=run_name is None)
        # The run is complete without the link, and readers can find the newest run by its time.
        # A disk without links must not prevent a training.
        try:
            atomic.replace_link(self.root / LATEST, paths.run_id)
        except (OSError, MachineError) as error:
            warn(f"{LATEST} still points to an older run: {atomic.as_project_error(error)}")
        return paths

    def check(self, run_name: str | None = None) -> None:
        """Check what `create` would check, without creating anything; raises as `create` does."""
        _check_root(self.root)
        _check_latest(self.root / LATEST)
        if run_name is not None:
            check_run_name(run_name)
            for place in self._places(run_name):
                if place.exists():
                    raise _is_taken(run_name, place)

    def require(self) -> None:
        """Raise `RequestError` if there is no folder of runs."""
        if not self.root.is_dir():
            raise RequestError(
                f"there is no folder of runs {self.root}", hint="Name it with --run-root."
            )

    def all(self) -> list[RunPaths]:
        """Return every run here and in `history/`, sorted by name, without the link `latest`."""
        # In this order: runs move to `history/` while others read, and a run that moves between
        # the two scans is then seen twice instead of never.
        found = [*self._walk(self.root), *self._walk(self.root / HISTORY)]
        names = Counter(paths.run_id for paths in found)
        there = [run for run in found if names[run.run_id] == 1 or is_run(run.root)]
        return sorted(there, key=lambda paths: paths.run_id)

    def here(self) -> list[RunPaths]:
        """Return the runs that are not in `history/`, sorted by name."""
        return sorted(self._walk(self.root), key=lambda paths: paths.run_id)

    def find(self, run_id: str) -> RunPaths:
        """Return the run called `run_id`, or the newest one for `latest`.

        Raises:
            RequestError: there is none; the message lists similar names.
        """
        if run_id == LATEST:
            return self._latest()
        runs = {paths.run_id: paths for paths in reversed(self.all())}
        if run_id in runs:
            return runs[run_id]
        near = _near(run_id, sorted(runs))
        raise RequestError(
            f"no run is called '{run_id}' under {self.root}",
            details=[f"near: {name}" for name in near],
            hint="topoqa-train leaderboard lists the runs there are.",
        )

    def latest(self) -> RunPaths | None:
        """Return the run that the link `latest` means, or None.

        A run of that name under this root comes first: in a copied tree the link may still point
        to the original place, or to nothing.
        """
        # In a copy that followed links it is a folder.
        target = atomic.link_target(self.root / LATEST) or self.root / LATEST
        places = (self.root / target.name, self.root / HISTORY / target.name, target)
        return next((RunPaths(place) for place in places if is_run(place)), None)

    def _latest(self) -> RunPaths:
        found = self.latest() or max(self.all(), key=_last_touched, default=None)
        if found is None:
            raise RequestError(
                f"there are no runs under {self.root}", hint="Start one: topoqa-train pipeline"
            )
        return found

    @staticmethod
    def _walk(folder: Path) -> list[RunPaths]:
        try:
            entries = list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise RequestError(f"{folder} can't be read: {error.strerror or error}") from error
        return [
            RunPaths(entry)
            for entry in entries
            if entry.name not in (LATEST, HISTORY)
            and not entry.name.startswith(".")  # being created or deleted
            and not entry.is_symlink()
            and is_run(entry)
        ]

    @contextmanager
    def _hidden_run(self, clock: Clock) -> Iterator[RunPaths]:
        """Create an empty run that readers don't see; delete it unless it was renamed."""
        hidden = RunPaths(self.root / f"{_NEW}{os.getpid()}_{secrets.token_hex(4)}")
        try:
            for folder in (hidden.config_dir, hidden.metrics.parent, hidden.checkpoints):
                folder.mkdir(parents=True)
            yield hidden
        finally:
            shutil.rmtree(hidden.root, ignore_errors=True)
            for left in self.root.glob(f"{_NEW}*"):
                with suppress(OSError):
                    if clock.now().timestamp() - left.stat().st_mtime > _LEFT_SECONDS:
                        shutil.rmtree(left, ignore_errors=True)

    def _publish(self, hidden: RunPaths, name: str, fill: _Fill, *, numbered: bool) -> RunPaths:
        """Fill a hidden run and rename it to `name`, or to the first free `name_<number>`."""
        # `fill` runs again for each attempt, because the files contain the name. The rename decides
        # between processes that want the same name: it fails if the target is not empty.
        for attempt in range(1, _MOST_NUMBERS if numbered else 2):
            old, new = self._places(name if attempt == 1 else f"{name}_{attempt}")
            if not (old.exists() or os.path.lexists(new)):
                fill(hidden, new.name)
                if _rename(hidden.root, new):
                    return RunPaths(new)
        if numbered:
            raise MachineError(f"no free name for a run like {name} under {self.root}")
        raise _is_taken(name, old if old.exists() else new)

    def _places(self, name: str) -> tuple[Path, Path]:
        """Return where a run of that name can be: in `history/`, and here."""
        return self.root / HISTORY / name, self.root / name


def _rename(hidden: Path, new: Path) -> bool:
    """Rename a new run for good; return False if another process was faster."""
    try:
        hidden.rename(new)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    # Without this, a power cut could undo the rename after files were written into the run.
    atomic.flush_folder(new.parent)
    return True


def _near(run_id: str, runs: Sequence[str]) -> list[str]:
    """Names that `run_id` may have been meant for: those it is a part of, then those like it."""
    parts = [name for name in runs if run_id and run_id in name]
    like = nearest_names(run_id, runs, most=_NEAR, cutoff=0.4)
    return list(dict.fromkeys([*parts[-_NEAR:], *like]))[:_NEAR]


def is_run(folder: Path) -> bool:
    """Return whether `folder` is a run: it has metadata, or a reader recognises it."""
    try:
        return (folder / METADATA).is_file() or readers.find(folder) is not None
    except (OSError, ValueError):  # too long for a path, or not a path
        return False


def run_at(path: Path) -> RunPaths:
    """Return the run at a path, in `history/` if it was moved there; see `RunStore.latest`."""
    given = path.expanduser()
    # `latest` may point to another machine's folder, or be a file where links can't be created.
    named = RunStore(given.absolute().parent).latest() if given.name == LATEST else None
    return named or current_place(RunPaths(given.resolve()))


def current_place(paths: RunPaths) -> RunPaths:
    """Return where a run is now: in its place, or in the `history/` next to it."""
    moved = paths.root.parent / HISTORY / paths.run_id
    return RunPaths(moved) if not is_run(paths.root) and is_run(moved) else paths


def current_checkpoint(checkpoint: Path) -> Path:
    """Return where a checkpoint is now, if its run was moved to `history/` since."""
    run = RunPaths(checkpoint.parent.parent)
    if checkpoint.parent != run.checkpoints:
        return checkpoint
    return current_place(run).checkpoints / checkpoint.name


def run_of(checkpoint: Path | str) -> str:
    """Return the name of the run that a checkpoint belongs to, judged by its path."""
    try:
        folder = Path(checkpoint).expanduser().resolve().parent
    except (OSError, RuntimeError, ValueError):  # not a path, or a loop of links
        folder = Path(checkpoint).parent
    return folder.parent.name if folder.name == CHECKPOINTS else folder.name


def _last_touched(paths: RunPaths) -> float:
    return modified(paths.metadata) or modified(paths.root)


def _is_taken(run_name: str, place: Path) -> RequestError:
    if not is_run(place):
        return RequestError(
            f"'{run_name}' exists already, and is not a run",
            details=[str(place)],
            hint="Choose another --run-name, or move it away.",
        )
    return RequestError(
        f"a run called '{run_name}' exists already",
        details=[str(place)],
        hint="Choose another name (--run-name; run_name in a manifest), or resume it: "
        f"topoqa-train resume --run-id {run_name}",
    )


def check_run_name(name: str) -> None:
    """Raise `RequestError` for a name that can't be a plain folder name."""
    problem = problem_of_name(name)
    if problem is not None:
        raise RequestError(f"a run can't have that name: {problem}", hint="Choose another name.")


def _check_latest(latest: Path) -> None:
    if latest.is_dir() and not latest.is_symlink():
        raise RequestError(
            f"{latest} is a folder, but the link to the newest run belongs there",
            hint="Move it away, or choose another folder with --output-root.",
        )


def _check_root(root: Path) -> None:
    with _may_be_written(root):
        there = root
        while not there.exists():
            there = there.parent
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file is in the way", str(there))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{there} can't be written", str(there))


@contextmanager
def _may_be_written(root: Path) -> Iterator[None]:
    """Convert an OSError to an error that says how to choose another folder."""
    try:
        with atomic.translate_disk_full(root):
            yield
    except OSError as error:
        if isinstance(atomic.as_project_error(error), MachineError):
            raise MachineError(f"runs can't go to {root}: {error.strerror or error}") from error
        raise RequestError(
            f"runs can't go to {root}: {error.strerror or error}",
            hint="Choose another folder with --output-root or TOPOQA_TRAIN_RUNS.",
        ) from error
