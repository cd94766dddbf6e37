"""Files of a run cut short: what readers make of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from topoqa_train.clock import SystemClock
from topoqa_train.errors import RequestError
from topoqa_train.inspection import summarise
from topoqa_train.runs import summary
from topoqa_train.runs.paths import RunPaths

FILES_OF_A_RUN = (
    "run_metadata.json",
    "metrics/metrics.csv",
    "metrics/test_predictions.csv",
    "config/config.yaml",
    "config/original_config.yaml",
    "dataset_coverage.json",
    "feature_metadata.json",
)


def check_readers(run: Path, name: str, lengths: Iterable[int]) -> None:
    """Cut the file `name` to each of `lengths`: readers refuse it, or report no wrong value."""
    paths, clock = RunPaths(run), SystemClock()
    whole = (run / name).read_bytes()
    rows = summary.read(paths, clock).rows
    before = summarise.summarise(paths, clock)
    try:
        for length in lengths:
            (run / name).write_bytes(whole[:length])
            refusal, found = None, before
            try:
                found = summarise.summarise(paths, clock)
            except RequestError as error:
                refusal = str(error)
            if refusal is not None:
                assert Path(name).name in refusal, length
                continue
            # What is shown is what was measured, if perhaps not all of it.
            read = summary.read(paths, clock).rows
            assert [row for row in read if row not in rows] == [], length
            assert found.status == before.status
            best = found.best_by_val_loss
            assert best in (before.best_by_val_loss, None) or len(read) < len(rows)
            assert read == rows or found.warnings != before.warnings, length
    finally:
        (run / name).write_bytes(whole)
