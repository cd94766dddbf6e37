"""A folder of runs: make one, find one, list all, history included."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from topoqa_train import atomic
from topoqa_train.clock import Clock, stamp
from topoqa_train.config.names import problem_of_name
from topoqa_train.errors import MachineError, RequestError
from topoqa_train.runs import creation, readers
from topoqa_train.runs.paths import CHECKPOINTS, HISTORY, LATEST, METADATA, RunPaths
from topoqa_train.suggest import nearest_names

ROOT_VARIABLE = "TOPOQA_TRAIN_RUNS"
DEFAULT_ROOT = Path("training_runs")
_NEAR = 3
_Fill = Callable[[RunPaths, str], None]


def root_of_runs(option: Path | None, save_dir: Path | None = None) -> Path:
    """Where runs go: the option, the environment, the config's `save_dir`, `training_runs`."""
    from_environment = os.environ.get(ROOT_VARIABLE)
    chosen = option or (Path(from_environment) if from_environment else None)
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
        """Make the directory of a new run and point `latest` at it.

        `run_name` is taken as it stands; without it the name is `base` and (if `stamped`) the
        time, and a number where that is taken. `fill` writes the first files: it is given where
        the run is made and the name that it is to have. The directory comes to be with all of them
        in it, or not at all. That `latest` can't be set is a line to `warn`.

        Raises:
            RequestError: `run_name` is taken or not a plain name, or runs can't go to the root.
            MachineError: the folder can't be made.
        """
        if run_name is not None:
            check_run_name(run_name)
        _make_root(self.root)
        _check_latest(self.root / LATEST)
        with _may_be_written(self.root), creation.place(self.root, clock) as place:
            if run_name is not None:
                paths = self._create_named(run_name, place, fill)
            else:
                name = f"{base}_{stamp(clock.now())}" if stamped else base
                paths = self._create_numbered(name, place, fill)
        try:
            atomic.replace_link(self.root / LATEST, paths.run_id)
        except (OSError, MachineError) as error:
            warn(f"{LATEST} still leads to an older run: {atomic.as_project_error(error)}")
        return paths

    def check(self, run_name: str | None = None) -> None:
        """Whether `create` could make a run, as far as can be told without making anything.

        Raises:
            RequestError: as in `create`.
        """
        _check_root(self.root)
        _check_latest(self.root / LATEST)
        if run_name is not None:
            check_run_name(run_name)
            for taken in self._places(run_name):
                if taken.exists():
                    raise _is_taken(run_name, taken)

    def require(self) -> None:
        """Raise `RequestError` where there is no folder of runs."""
        if not self.root.is_dir():
            raise RequestError(
                f"there is no folder of runs {self.root}", hint="Name it with --run-root."
            )

    def all(self) -> list[RunPaths]:
        """Every run here and in `history/`, by name; `latest` is no run of its own."""
        found = [*self._walk(self.root), *self._walk(self.root / HISTORY)]
        # One that was moved between the two looks is in both lists, and in one place.
        names = Counter(paths.run_id for paths in found)
        there = [run for run in found if names[run.run_id] == 1 or is_run(run.root)]
        return sorted(there, key=lambda paths: paths.run_id)

    def here(self) -> list[RunPaths]:
        """The runs that are not in `history/`, by name."""
        return sorted(self._walk(self.root), key=lambda paths: paths.run_id)

    def find(self, run_id: str) -> RunPaths:
        """The run called `run_id`, or the newest for `latest`.

        Raises:
            RequestError: there is none; the nearest names are given.
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
        """The run that the link `latest` means, if it means one.

        The run of that name under this root is meant first: a tree that was copied may have a
        link that leads to where it was before, or that leads nowhere.
        """
        # Where links were followed as the tree was copied, it is a folder.
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
            and not entry.name.startswith(".")  # on its way out: see `runs.removal`
            and not entry.is_symlink()
            and is_run(entry)
        ]

    def _create_named(self, run_name: str, place: RunPaths, fill: _Fill) -> RunPaths:
        old, new = self._places(run_name)
        if not old.exists():
            fill(place, run_name)
            if creation.name(place, new):
                return RunPaths(new)
        raise _is_taken(run_name, old if old.exists() else new)

    def _places(self, name: str) -> tuple[Path, Path]:
        """Where a run of that name can be: in history, and here."""
        return self.root / HISTORY / name, self.root / name

    def _create_numbered(self, name: str, place: RunPaths, fill: _Fill) -> RunPaths:
        for attempt in range(1, 10_000):
            old, new = self._places(name if attempt == 1 else f"{name}_{attempt}")
            if old.exists() or os.path.lexists(new):
                continue
            fill(place, new.name)
            if creation.name(place, new):
                return RunPaths(new)
        raise MachineError(f"no free name for a run like {name} under {self.root}")


def _near(run_id: str, runs: Sequence[str]) -> list[str]:
    """Names that `run_id` may have been meant for: those it is a part of, then those like it."""
    parts = [name for name in runs if run_id and run_id in name]
    like = nearest_names(run_id, runs, most=_NEAR, cutoff=0.4)
    return list(dict.fromkeys([*parts[-_NEAR:], *like]))[:_NEAR]


def is_run(folder: Path) -> bool:
    """Return whether `folder` is a run: it has metadata, or a reader recognises it."""
    try:
        return (folder / METADATA).is_file() or readers.find(folder) is not None
    except (OSError, ValueError):  # a name too long, or no name at all
        return False


def run_at(path: Path) -> RunPaths:
    """The run that a path names, in `history/` if it was moved there.

    Of `latest` it is the one that is meant: see `RunStore.latest`.
    """
    given = path.expanduser()
    # `latest` may lead to another machine, or be a file where links can't be made.
    named = RunStore(given.absolute().parent).latest() if given.name == LATEST else None
    return named or whereabouts(RunPaths(given.resolve()))


def whereabouts(paths: RunPaths) -> RunPaths:
    """Where a run is now: in its place, or in the `history/` beside it if it was moved there."""
    moved = paths.root.parent / HISTORY / paths.run_id
    return RunPaths(moved) if not is_run(paths.root) and is_run(moved) else paths


def where_now(checkpoint: Path) -> Path:
    """Where the checkpoint of a run is, should the run have been moved to `history/` since."""
    run = RunPaths(checkpoint.parent.parent)
    if checkpoint.parent != run.checkpoints:
        return checkpoint
    return whereabouts(run).checkpoints / checkpoint.name


def run_of(checkpoint: Path | str) -> str:
    """The name of the run that a checkpoint belongs to, going by where it lies."""
    try:
        folder = Path(checkpoint).expanduser().resolve().parent
    except (OSError, RuntimeError, ValueError):  # no path at all, or a loop
        folder = Path(checkpoint).parent
    return folder.parent.name if folder.name == CHECKPOINTS else folder.name


def _last_touched(paths: RunPaths) -> float:
    moments = []
    for file in (paths.metadata, paths.root):
        with suppress(OSError):
            moments.append(file.stat().st_mtime)
    return moments[0] if moments else 0.0


def _is_taken(run_name: str, place: Path) -> RequestError:
    if not is_run(place):
        return RequestError(
            f"'{run_name}' is there already, and it is no run",
            details=[str(place)],
            hint="Choose another --run-name, or move it away.",
        )
    return RequestError(
        f"a run called '{run_name}' is there already",
        details=[str(place)],
        hint="Choose another name (--run-name; run_name in a manifest), or go on with it: "
        f"topoqa-train resume --run-id {run_name}",
    )


def check_run_name(name: str) -> None:
    """Refuse what is not one plain name; raises `RequestError`."""
    fault = problem_of_name(name)
    if fault is not None:
        raise RequestError(f"a run can't have that name: {fault}", hint="Choose another name.")


def _check_latest(latest: Path) -> None:
    if latest.is_dir() and not latest.is_symlink():
        raise RequestError(
            f"{latest} is a folder where the link to the newest run belongs",
            hint="Move it away, or choose another folder with --output-root.",
        )


def _check_root(root: Path) -> None:
    with _may_be_written(root):
        there = root
        while not there.exists():
            there = there.parent
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "there is a file in the way", str(there))
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, f"{there} can't be written", str(there))


def _make_root(root: Path) -> None:
    with _may_be_written(root):
        root.mkdir(parents=True, exist_ok=True)


@contextmanager
def _may_be_written(root: Path) -> Iterator[None]:
    """Turn what the file system refuses into an error that says where else runs can go."""
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
