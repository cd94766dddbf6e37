"""Ends a command with SIGKILL at chosen or random points, starts it again, compares the outcome."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from processes import numbers, weights
from projects import EXECUTABLE, assert_no_trace, environment

FAULTS = Path(__file__).parent / "faults"
HANG_SECONDS = 600
# Write step, and a pattern of the file that it makes: all that a run writes, and how.
STEPS = (
    ("replace", "last.ckpt"),
    ("replace", "checkpoint.*"),
    ("replace", "run_metadata.json"),
    ("replace", "metrics.csv"),
    ("replace", "*.json"),
    ("replace", "latest"),
    ("replace", "*best*.ckpt"),
    ("replace", "config.yaml"),
    ("fsync", "last.ckpt"),
    ("fsync", "checkpoint.*"),
    ("fsync", "run_metadata.json"),
    ("fsync", "metrics.csv"),
    ("fsync", "*"),
    ("write", "metrics.csv"),
    ("symlink", "*"),
    ("unlink", "checkpoint.*"),
    ("mkdir", "*"),
    ("rename", "*"),
)
MOMENTS = ("before", "after", "torn")


@dataclass(frozen=True)
class Fault:
    """Kill at the `nth` time that `step` is done on a file like `file`, in any one process.

    With an `errno` the step fails with it instead; with `nth` 0 it does so every time.
    """

    step: str
    file: str
    nth: int
    moment: str = "before"
    errno: int | None = None

    def environment(self, folder: Path) -> dict[str, str]:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("pids", "hit"):
            (folder / name).unlink(missing_ok=True)
        wish = json.dumps({**asdict(self), "folder": str(folder)})
        path = os.pathsep.join(filter(None, (str(FAULTS), os.environ.get("PYTHONPATH"))))
        return {"TOPOQA_TEST_FAULT": wish, "PYTHONPATH": path}


@dataclass(frozen=True)
class AfterSeconds:
    """Kill whatever runs when so much time has gone since the start."""

    seconds: float


Kill = Fault | AfterSeconds


def any_kill(rng: random.Random, longest: float) -> Kill:
    """One of the named write steps, or any moment within `longest` seconds."""
    if rng.random() < 0.4:
        return AfterSeconds(rng.uniform(0.2, longest))
    step, file = rng.choice(STEPS)
    return Fault(step, file, rng.randint(1, 6), rng.choice(MOMENTS))


@dataclass
class Story:
    """What was tried on the way to the end, so that it can be told and tried again."""

    tried: list[str] = field(default_factory=list)
    killed: int = 0
    done: subprocess.CompletedProcess[str] | None = None


def until_done(
    command: Sequence[object],
    kills: Sequence[Kill],
    scratch: Path,
    *,
    again: Sequence[object] = ("--resume",),
    check: Callable[[], None] = lambda: None,
) -> Story:
    """Start `command` once for each of `kills`, then let it end; after the first with `again`.

    `check` is called after every kill, before the next start.
    """
    story = Story()
    more: Sequence[object] = ()
    for number, kill in enumerate([*kills, None]):
        done = start_and_kill([*command, *more], kill, scratch / str(number))
        more = again
        if done.returncode != -signal.SIGKILL:
            story.tried.append(f"{kill}: ended first, status {done.returncode}")
            if done.returncode != 0:
                raise AssertionError(f"{story.tried}\n{done.stderr}")
            story.done = done
            return story
        story.killed += 1
        story.tried.append(f"{kill}: killed")
        check()
    raise AssertionError(f"killed without being told to: {story.tried}")


def start_and_kill(
    command: Sequence[object], kill: Kill | None, folder: Path
) -> subprocess.CompletedProcess[str]:
    changes = kill.environment(folder) if isinstance(kill, Fault) else {}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            [EXECUTABLE, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment(**changes),
            start_new_session=True,
        )
        try:
            _wait(process, kill)
        finally:
            kill_tree(process)
    text = [(folder / name).read_text() for name in ("out", "err")]
    assert_no_trace(text[1])
    return subprocess.CompletedProcess(process.args, process.returncode, *text)


def _wait(process: subprocess.Popen[bytes], kill: Kill | None) -> None:
    if isinstance(kill, AfterSeconds):
        try:
            process.wait(kill.seconds)
        except subprocess.TimeoutExpired:
            kill_tree(process)
    process.wait(HANG_SECONDS)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started, at once."""
    try:
        tree = [*psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        tree = []
    for each in [*tree, process]:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(HANG_SECONDS)
    psutil.wait_procs(tree, timeout=HANG_SECONDS)


LINKS = ("best.ckpt", "second_best.ckpt", "third_best.ckpt", "best_val_loss.ckpt", "last.ckpt")


def outcome(run: Path) -> dict[str, object]:
    """All that must be the same however often a run was stopped."""
    folder = run / "model_checkpoints"
    links = {name: (folder / name) for name in LINKS if (folder / name).exists()}
    return {
        "metrics": numbers(run),
        "weights": {name: weights(path) for name, path in links.items()},
        "files": sorted(path.name for path in folder.iterdir()),
        "targets": {n: str(p.readlink()) for n, p in links.items() if p.is_symlink()},
        "status": json.loads((run / "run_metadata.json").read_text())["status"],
    }


def runs_of(root: Path) -> dict[str, Path]:
    """Every run under `root` by the job that it did, times taken out of the names."""
    found = {}
    for path in [*root.glob("*/run_metadata.json"), *root.glob("history/*/run_metadata.json")]:
        if not path.parent.is_symlink():
            job = json.loads(path.read_text())["job"]
            key = without_times(job)
            assert key not in found, f"{key} was done twice: {found[key]}, {path.parent}"
            found[key] = path.parent
    return found


def outcomes(root: Path) -> dict[str, dict[str, object]]:
    """`outcome` of every run under `root`, by its job."""
    return {job: outcome(run) for job, run in runs_of(root).items()}


def difference(
    expected: dict[str, dict[str, object]], found: dict[str, dict[str, object]]
) -> list[str]:
    """What of `found` is not as `expected`, in lines; empty if all is the same."""
    if expected.keys() != found.keys():
        return [f"runs: {sorted(expected)} expected, {sorted(found)} found"]
    return [
        f"{job}, {part}: {expected[job][part]} expected, {found[job][part]} found"
        for job in expected
        for part in expected[job]
        if expected[job][part] != found[job][part]
    ]


def without_times(name: str) -> str:
    """A run's or job's name less the times in it: what two starts of one manifest share."""
    return re.sub(r"_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_\d+)?", "", name)
