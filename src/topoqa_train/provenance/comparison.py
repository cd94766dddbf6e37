"""What a run that does another again keeps of both, and whether the numbers are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from topoqa_train.errors import RequestError
from topoqa_train.launch.job import Again
from topoqa_train.provenance import diff, metrics_diff
from topoqa_train.provenance.diff import Difference
from topoqa_train.provenance.environment import Surroundings
from topoqa_train.runs import metadata, metrics_file
from topoqa_train.runs.metadata import RunMetadata
from topoqa_train.runs.paths import HISTORY, RunPaths
from topoqa_train.runs.store import current_place, is_run

_SHOWN = 3


def homes(run: RunPaths, recorded: Path, run_id: str) -> Iterator[RunPaths]:
    """Where another run may be that `run` knows by its name and by where it once was.

    There, in the history beside it, and beside `run`, should the whole folder have been moved.
    """
    yield current_place(RunPaths(recorded))
    if Path(run_id).name != run_id:
        return
    folder = run.root.parent
    for place in (folder, folder.parent) if folder.name == HISTORY else (folder,):
        yield current_place(RunPaths(place / run_id))


def begun(again: Again | None, now: Surroundings) -> tuple[dict[str, Any] | None, list[Difference]]:
    """The `again_of` of a run that begins, and what of it nobody was told yet."""
    if again is None:
        return None, []
    found: list[Difference] = []
    differs = list(again.differs)
    if not again.reference:
        then = _metadata(RunPaths(again.run_dir))
        found = [] if then is None else diff.of_surroundings(then, now)
        differs += [each.to_json() for each in found]
    document: dict[str, Any] = {"run_id": again.run_id, "run_dir": str(again.run_dir)}
    document["differs"] = differs
    if again.reference:
        document["reference"] = True
    return document, [each for each in found if str(each) not in again.told]


def with_data(
    paths: RunPaths, document: RunMetadata
) -> tuple[dict[str, Any], list[Difference]] | None:
    """`again_of` with what differs of the data, once they are read; None where nothing tells."""
    again = document.again_of
    then = None if again is None or again.get("reference") else _other(paths, again)
    if again is None or then is None or "fingerprint" not in then.data:
        return None
    found = diff.of_data(then.data, document.data)
    return {**again, "data_differs": [each.to_json() for each in found]}, found


def with_figures(
    paths: RunPaths, document: RunMetadata, test: Mapping[str, float] | None
) -> dict[str, Any] | None:
    """`again_of` with how the figures of both runs compare, at the end of the second."""
    again = document.again_of
    if again is None or again.get("reference"):
        return again
    other = _place(paths, again)
    then = None if other is None else _metadata(other)
    if other is None or then is None:
        return {**again, "figures": None}
    try:
        rows = metrics_file.read(other.metrics)
    except OSError:
        return {**again, "figures": None}
    compared = metrics_diff.compare(rows, metrics_file.read(paths.metrics))
    whole = compared.epochs_then == compared.epochs_now and bool(then.test and test)
    same_test = not metrics_diff.different(_floats(then.test), _floats(test)) if whole else None
    return {**again, "figures": {**compared.to_json(), "test_is_the_same": same_test}}


def closing(document: RunMetadata) -> tuple[str, ...]:
    """What people read at the end of such a run; nothing for any other."""
    again = document.again_of
    if again is None or "figures" not in again:
        return ()
    if again["figures"] is None:
        return (f"{again['run_id']} is gone: there are no figures to compare with.",)
    return tuple(_told(str(again["run_id"]), again["figures"]))


def _told(run_id: str, compared: Mapping[str, Any]) -> Iterator[str]:
    epochs, first = compared["epochs"], compared["first_difference"]
    test = compared["test_is_the_same"]
    if not epochs:
        yield f"{run_id} and this run have no epoch in common to compare."
    elif first is None:
        also = " and of the test split" if test else ""
        yield f"As in {run_id}, bit for bit: every figure of {_epochs(epochs)}{also}."
        if test is False:
            yield f"The figures of the test split are not those of {run_id}."
    else:
        yield f"Not as in {run_id}: the figures differ from epoch {first} on (counted from 0)."
        columns = list(compared["columns"].items())
        for name, (then, now) in columns[:_SHOWN]:
            yield f"  {name}: {then!r} then, {now!r} now"
        if len(columns) > _SHOWN:
            yield f"  and {len(columns) - _SHOWN} more columns of that epoch"
    if compared["epochs_then"] != compared["epochs_now"]:
        then, now = compared["epochs_then"], compared["epochs_now"]
        yield f"{run_id} has {_epochs(then)}, this run {now}."


def _epochs(number: int) -> str:
    return f"{number} {'epoch' if number == 1 else 'epochs'}"


def _place(paths: RunPaths, again: Mapping[str, Any]) -> RunPaths | None:
    run_dir, run_id = again.get("run_dir"), again.get("run_id")
    if not isinstance(run_dir, str) or not isinstance(run_id, str):
        return None
    places = homes(paths, Path(run_dir), run_id)
    return next((home for home in places if home != paths and is_run(home.root)), None)


def _other(paths: RunPaths, again: Mapping[str, Any]) -> RunMetadata | None:
    place = _place(paths, again)
    return None if place is None else _metadata(place)


def _metadata(place: RunPaths) -> RunMetadata | None:
    """None where it is gone, or can't be read any more: what it is asked for is only told."""
    try:
        return metadata.read(current_place(place).metadata)
    except RequestError:
        return None


def _floats(found: Mapping[str, Any] | None) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in (found or {}).items()
        if isinstance(value, int | float)
    }
