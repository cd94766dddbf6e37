"""Comparison of a rerun with the original run, recorded as `rerun_of` in run_metadata.json.

The record grows in three steps, as things become known: the environment when the rerun starts, the
data when they are read, the metrics when it ends. So a rerun that dies keeps what was known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from topoqa_train.errors import RequestError
from topoqa_train.launch.job import RerunOf
from topoqa_train.provenance import diff, metrics_diff
from topoqa_train.provenance.diff import Difference
from topoqa_train.provenance.environment import Environment
from topoqa_train.runs import metadata, metrics_file
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import HISTORY, RunPaths
from topoqa_train.runs.store import current_place, is_run

_SHOWN = 3


def possible_places(run: RunPaths, recorded: Path, run_id: str) -> Iterator[RunPaths]:
    """Yield where another run may be that `run` recorded by id and path.

    At that path, in the history next to it, and next to `run` if the whole folder was moved.
    """
    yield current_place(RunPaths(recorded))
    if Path(run_id).name != run_id:
        return  # an id from an untrusted file must not lead out of the folder
    folder = run.root.parent
    for place in (folder, folder.parent) if folder.name == HISTORY else (folder,):
        yield current_place(RunPaths(place / run_id))


def at_start(rerun: RerunOf, now: Environment) -> tuple[dict[str, Any], list[Difference]]:
    """Return the record for a rerun that starts, and differences not reported to the user yet."""
    original = _metadata(RunPaths(rerun.run_dir)) if rerun.compared else None
    found = [] if original is None else diff.of_environment(original, now)
    record = {
        "run_id": rerun.run_id,
        "run_dir": str(rerun.run_dir),
        "compared": rerun.compared,
        "differs": [*rerun.differs, *(each.to_json() for each in found)],
    }
    return record, [each for each in found if str(each) not in rerun.reported]


def with_data(
    paths: RunPaths, document: RunMetadata
) -> tuple[dict[str, Any], list[Difference]] | None:
    """Return the record with the differences of the data; None if there is nothing to compare."""
    record, original = document.rerun_of, _original(paths, document)
    then = None if original is None else _metadata(original)
    if record is None or then is None or "fingerprint" not in then.data:
        return None
    found = diff.of_data(then.data, document.data)
    return {**record, "data_differs": [each.to_json() for each in found]}, found


def with_metrics(
    paths: RunPaths, document: RunMetadata, test: Mapping[str, float] | None
) -> dict[str, Any] | None:
    """Return the record of a rerun that ends, with the comparison of all metrics."""
    record, original = document.rerun_of, _original(paths, document)
    if record is None or not _is_compared(record):
        return record
    then = None if original is None else _metadata(original)
    if original is None or then is None:
        return {**record, "metrics": None}
    try:
        rows = metrics_file.read(original.metrics)
    except OSError:
        return {**record, "metrics": None}
    found = metrics_diff.compare(rows, metrics_file.read(paths.metrics))
    complete = found["epochs_then"] == found["epochs_now"] and bool(then.test and test)
    equal = not metrics_diff.different(_floats(then.test), _floats(test)) if complete else None
    return {**record, "metrics": {**found, "test_is_the_same": equal}}


def closing_lines(document: RunMetadata) -> tuple[str, ...]:
    """Return what a user reads when a rerun ends; nothing for any other run."""
    record = document.rerun_of
    if record is None or "metrics" not in record:
        return ()
    if record["metrics"] is None:
        return (f"{record['run_id']} is gone: there are no metrics to compare with.",)
    return tuple(_lines(str(record["run_id"]), record["metrics"]))


def _lines(run_id: str, found: Mapping[str, Any]) -> Iterator[str]:
    epochs, first = found["epochs"], found["first_difference"]
    test = found["test_is_the_same"]
    if not epochs:
        yield f"{run_id} and this run have no epoch in common to compare."
    elif first is None:
        also = " and of the test split" if test else ""
        yield f"Equal to {run_id}, bit for bit: every metric of {_epochs(epochs)}{also}."
        if test is False:
            yield f"The metrics of the test split differ from {run_id}."
    else:
        yield f"Not equal to {run_id}: metrics differ from epoch {first} on (counted from 0)."
        columns = list(found["columns"].items())
        for name, (then, now) in columns[:_SHOWN]:
            yield f"  {name}: {then!r} then, {now!r} now"
        if len(columns) > _SHOWN:
            yield f"  and {len(columns) - _SHOWN} more columns of that epoch"
    if found["epochs_then"] != found["epochs_now"]:
        yield f"{run_id} has {_epochs(found['epochs_then'])}, this run {found['epochs_now']}."


def _epochs(number: int) -> str:
    return f"{number} {'epoch' if number == 1 else 'epochs'}"


def _is_compared(record: Mapping[str, Any]) -> bool:
    return bool(record.get("compared", not record.get("reference")))


def _original(paths: RunPaths, document: RunMetadata) -> RunPaths | None:
    """Return where the original run is now, if there is one to compare with."""
    record = document.rerun_of
    if record is None or not _is_compared(record):
        return None
    places = possible_places(paths, Path(str(record.get("run_dir"))), str(record.get("run_id")))
    return next((place for place in places if place != paths and is_run(place.root)), None)


def _metadata(place: RunPaths) -> RunMetadata | None:
    """Return None if the run is gone or unreadable: a rerun must not fail because of that."""
    try:
        return metadata.read(current_place(place).metadata)
    except RequestError:
        return None


def _floats(found: Mapping[str, Any] | None) -> dict[str, float]:
    values = (found or {}).items()
    return {name: float(value) for name, value in values if isinstance(value, int | float)}
