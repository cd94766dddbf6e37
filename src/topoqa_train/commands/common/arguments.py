"""Turn the values of options into what the workflows take."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from topoqa_train.config.overrides import Override, parse_override
from topoqa_train.errors import RequestError
from topoqa_train.launch import base as launchers
from topoqa_train.runs.paths import LATEST, RunPaths
from topoqa_train.runs.store import RunStore, root_of_runs, run_at


def launcher_name() -> str:
    """Return the launcher that the environment names, else the default."""
    return os.environ.get(launchers.VARIABLE) or launchers.DEFAULT


def batch_limit(text: str | None, option: str) -> int | float | None:
    """Read `12` as twelve batches and `0.5` as half of them; raises `RequestError`."""
    if text is None:
        return None
    try:
        value: int | float = float(text) if "." in text else int(text)
    except ValueError:
        value = 0
    if value <= 0 or (isinstance(value, float) and value > 1):
        raise RequestError(
            f"{option}: '{text}' is neither a number of batches nor a share such as 0.5"
        )
    return value


def overrides(
    texts: Sequence[str] | None, graph_dir: Path | None = None, num_workers: int | None = None
) -> tuple[Override, ...]:
    """Return what is set over the configs; for one key, `--override` comes last and wins."""
    here = Path.cwd()
    given = []
    if graph_dir is not None:
        origin = "--graph-dir or GRAPH_DIR"
        given.append(Override.given("paths.graph", str(graph_dir), here, origin))
    if num_workers is not None:
        origin = "--num-workers or NUM_WORKERS_OVERRIDE"
        given.append(Override.given("dataloader.num_workers", num_workers, here, origin))
    return (*given, *(parse_override(text, base=here) for text in texts or ()))


def chosen_run(run_dir: Path | None, run_id: str | None, root: Path | None) -> RunPaths:
    """Return the run of `--run-dir` or `--run-id`, else `latest`."""
    if run_dir is not None and run_id is not None:
        raise RequestError("give --run-dir or --run-id, not both")
    if run_dir is not None:
        return run_at(run_dir)
    return RunStore(root_of_runs(root)).find(run_id or LATEST)


def run_to_repeat(given: Path, output_root: Path | None) -> RunPaths:
    """Return the run of `--from-run`: a directory, else a name where runs go or are."""
    if given.name != str(given) or given.is_dir():
        return run_at(given)
    if output_root is not None:
        with suppress(RequestError):
            return RunStore(root_of_runs(output_root)).find(given.name)
    return RunStore(root_of_runs(None)).find(given.name)
