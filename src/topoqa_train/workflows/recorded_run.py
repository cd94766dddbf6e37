"""What a rerun or a resumed run takes over from the files of the earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from topoqa_train.config.load import load_config
from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import RequestError
from topoqa_train.provenance import comparison, diff
from topoqa_train.runs.store import run_of
from topoqa_train.runs.summary import RunSummary
from topoqa_train.workflows.job_factory import file_digest
from topoqa_train.workflows.previous_session import ALIVE

NUM_EPOCHS = "trainer.num_epochs"


def check_not_running(run: RunSummary) -> None:
    """Raise `RequestError` if a process is writing the run."""
    if run.status in ALIVE:
        raise RequestError(
            f"{run.paths.run_id} is running",
            hint="Wait until it ends, or stop it. Its progress: "
            f"topoqa-train monitor --run-dir {run.paths.root}",
        )


def options(run: RunSummary) -> RunOptions:
    """Return the recorded options, without the weights that the run started from.

    Raises:
        RequestError: the metadata hold an option that is not valid.
    """
    document = run.metadata
    recorded = {
        **document.training_parameters,
        "notes": document.notes,
        "trial_label": document.trial_label,
    }
    names = [name for name in RunOptions.model_fields if recorded.get(name) is not None]
    try:
        return RunOptions.model_validate({name: recorded[name] for name in names})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in ("training_parameters", *first["loc"]))
        raise RequestError(
            f"{run.paths.metadata} holds an invalid option: {key}: {first['msg']}"
        ) from error


def config(run: RunSummary) -> Mapping[str, Any]:
    """Return the `diff.relevant_config` that the run was trained with.

    Older runs did not record it; theirs is read from config.yaml.
    """
    if run.metadata.config:
        return run.metadata.config
    found = diff.relevant_config(load_config(run.paths.config).config)
    epochs = run.metadata.training_parameters.get("num_epochs")
    if isinstance(epochs, int):
        found["trainer"]["num_epochs"] = epochs
    return found


def starting_checkpoint(run: RunSummary) -> Path | None:
    """Return the checkpoint whose weights the run started from, wherever it is now.

    If several files have its name, prefer the one with the recorded content.

    Raises:
        RequestError: it is gone.
    """
    start = run.metadata.started_from or {}
    recorded = start.get("checkpoint")
    if not isinstance(recorded, str) or not recorded:
        return None
    file, named = Path(recorded), start.get("run_id")
    run_id = named if isinstance(named, str) else run_of(file)
    places = comparison.possible_places(run.paths, file.parent.parent, run_id)
    files = dict.fromkeys([file, *(place.checkpoints / file.name for place in places)])
    existing = [path for path in files if path.is_file()]
    if not existing:
        raise RequestError(
            f"the checkpoint that {run.paths.run_id} started from is gone",
            details=[recorded],
            hint="Bring it back, or start a new run from other weights: "
            "topoqa-train run --resume-from CKPT",
        )
    same = (path for path in existing if file_digest(path) == start.get("sha256"))
    return next(same, existing[0])
