"""The options that a run's metadata record, checked."""

from __future__ import annotations

from pydantic import ValidationError

from topoqa_train.config.run_options import RunOptions
from topoqa_train.errors import RequestError
from topoqa_train.runs.summary import RunSummary


def options(run: RunSummary) -> RunOptions:
    """Return the options of a run, without the weights it started from.

    Raises:
        RequestError: its metadata hold something else in their place.
    """
    document = run.metadata
    given = {
        **document.training_parameters,
        "notes": document.notes,
        "trial_label": document.trial_label,
    }
    names = [name for name in RunOptions.model_fields if given.get(name) is not None]
    try:
        return RunOptions.model_validate({name: given[name] for name in names}, strict=False)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in ("training_parameters", *fault["loc"]))
        raise RequestError(
            f"{run.paths.metadata} does not say how the run was trained: {key}: {fault['msg']}"
        ) from error
