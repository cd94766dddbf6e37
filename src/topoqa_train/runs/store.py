"""A folder of runs: make one, find one, list all, history included."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from topoqa_train import atomic
from topoqa_train.clock import Clock, stamp
from topoqa_train.config.names import fault_of_name
from topoqa_train.errors import MachineError, RequestError
from topoqa_train.runs.paths import HISTORY, LATEST, METADATA, RunPaths

ROOT_VARIABLE = "TOPOQA_TRAIN_RUNS"
DEFAULT_ROOT = Path("training_runs")


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
        self, base: str, run_name: str | None, clock: Clock, *, stamped: bool = True
    ) -> RunPaths:
        """Make the directory of a new run and point `latest` at it.

        `run_name` is taken as it stands; without it the name is `base` and (if `stamped`) the
        time, and a number where that is taken.

        Raises:
            RequestError: `run_name` is taken or not a plain name, or runs can't go to the root.
            MachineError: the folder can't be made.
        """
        _make_root(self.root)
        _check_latest(self.root / LATEST)
        if run_name is not None:
            paths = self._create_named(run_name)
        else:
            paths = self._create_numbered(f"{base}_{stamp(clock.now())}" if stamped else base)
        with _may_be_written(self.root):
            for folder in (paths.config_dir, paths.metrics.parent, paths.checkpoints):
                folder.mkdir()
        atomic.replace_link(self.root / LATEST, paths.run_id)
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

    def all(self) -> list[RunPaths]:
        """Every run here and in `history/`, by name; `latest` is no run of its own."""
        return sorted(self._walk(), key=lambda paths: paths.run_id)

    def find(self, run_id: str) -> RunPaths:
        """The run called `run_id`, or the newest for `latest`.

        Raises:
            RequestError: there is none; the nearest names are given.
        """
        if run_id == LATEST:
            return self._latest()
        runs = {paths.run_id: paths for paths in self._walk()}
        if run_id in runs:
            return runs[run_id]
        near = get_close_matches(run_id, runs, n=3, cutoff=0.4)
        raise RequestError(
            f"no run is called '{run_id}' under {self.root}",
            details=[f"near: {name}" for name in near],
            hint="topoqa-train leaderboard lists the runs there are.",
        )

    def _latest(self) -> RunPaths:
        target = atomic.resolve_link(self.root / LATEST)
        if target is not None and (target / METADATA).is_file():
            return RunPaths(target)
        newest = max(self._walk(), key=lambda paths: paths.metadata.stat().st_mtime, default=None)
        if newest is None:
            raise RequestError(
                f"there are no runs under {self.root}", hint="Start one: topoqa-train pipeline"
            )
        return newest

    def _walk(self) -> Iterator[RunPaths]:
        for folder in (self.root, self.root / HISTORY):
            if not folder.is_dir():
                continue
            for entry in folder.iterdir():
                if entry.name == LATEST or entry.is_symlink():
                    continue
                if (entry / METADATA).is_file():
                    yield RunPaths(entry)

    def _create_named(self, run_name: str) -> RunPaths:
        check_run_name(run_name)
        old, new = self._places(run_name)
        if old.exists() or not _made(new):
            raise _is_taken(run_name, old if old.exists() else new)
        return RunPaths(new)

    def _places(self, name: str) -> tuple[Path, Path]:
        """Where a run of that name can be: in history, and here."""
        return self.root / HISTORY / name, self.root / name

    def _create_numbered(self, name: str) -> RunPaths:
        for attempt in range(1, 10_000):
            old, new = self._places(name if attempt == 1 else f"{name}_{attempt}")
            if not old.exists() and _made(new):
                return RunPaths(new)
        raise MachineError(f"no free name for a run like {name} under {self.root}")


def _made(folder: Path) -> bool:
    """Make `folder`; False if another was first."""
    with _may_be_written(folder.parent):
        try:
            folder.mkdir()
        except FileExistsError:
            return False
    return True


def _is_taken(run_name: str, place: Path) -> RequestError:
    return RequestError(
        f"a run called '{run_name}' is there already",
        details=[str(place)],
        hint="Choose another --run-name, or go on with it: "
        f"topoqa-train resume --run-id {run_name}",
    )


def check_run_name(name: str) -> None:
    """Refuse what is not one plain name; raises `RequestError`."""
    fault = fault_of_name(name)
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
        with atomic.no_room_is_an_error(root):
            yield
    except OSError as error:
        raise RequestError(
            f"runs can't go to {root}: {error.strerror or error}",
            hint="Choose another folder with --output-root or TOPOQA_TRAIN_RUNS.",
        ) from error
